# Counts the words of standard input: most frequent first, then by alphabet.
use strict;
use warnings;

my %counts;
while (my $line = <STDIN>) {
    $counts{ lc $_ }++ for split ' ', $line;
}
print "$_ $counts{$_}\n" for sort { $counts{$b} <=> $counts{$a} || $a cmp $b } keys %counts;
