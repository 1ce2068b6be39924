const s = "abc";
console.log(s.length());
