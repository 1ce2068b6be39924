console.log((3.5).toFixed(200));
