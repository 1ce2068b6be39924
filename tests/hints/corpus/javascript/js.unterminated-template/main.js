console.log(`hi);
