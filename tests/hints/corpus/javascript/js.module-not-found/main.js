const x = require("lodahs");
