document.getElementById("a");
