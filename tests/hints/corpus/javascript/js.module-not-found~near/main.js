const fs = require("sf");
