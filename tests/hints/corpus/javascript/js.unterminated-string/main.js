console.log("hi);
