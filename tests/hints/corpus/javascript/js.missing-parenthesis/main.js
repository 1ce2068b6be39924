console.log("hi";
