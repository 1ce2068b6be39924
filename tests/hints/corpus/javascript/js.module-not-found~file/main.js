const x = require("./helper");
