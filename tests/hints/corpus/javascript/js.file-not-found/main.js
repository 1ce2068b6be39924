console.log(require("fs").readFileSync("data.txt", "utf8"));
