const r = new RegExp("(");
