throw "no way";
