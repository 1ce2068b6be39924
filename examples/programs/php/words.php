<?php
// Counts the words of standard input: most frequent first, then by alphabet.
$words = preg_split('/\s+/', strtolower(stream_get_contents(STDIN)), -1, PREG_SPLIT_NO_EMPTY);
$counts = array_count_values($words);
uksort($counts, fn($a, $b) => $counts[$b] <=> $counts[$a] ?: strcmp($a, $b));
foreach ($counts as $word => $count) {
    echo "$word $count\n";
}
