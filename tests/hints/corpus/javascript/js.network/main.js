fetch("http://example.com").then((r) => console.log(r.status));
