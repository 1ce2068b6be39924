// Counts the words of standard input: most frequent first, then by alphabet.
const text = require('fs').readFileSync(0, 'utf8');
const counts = new Map();
for (const word of text.toLowerCase().split(/\s+/).filter(Boolean))
    counts.set(word, (counts.get(word) ?? 0) + 1);
[...counts]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .forEach(([word, count]) => console.log(word, count));
