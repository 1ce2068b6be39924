# How many primes are there below 200000, and what do they add up to?
use strict;
use warnings;

my ($limit, $count, $sum) = (200000, 0, 0);
my @composite;
for (my $i = 2; $i < $limit; $i++) {
    next if $composite[$i];
    $count++;
    $sum += $i;
    for (my $k = $i * $i; $k < $limit; $k += $i) { $composite[$k] = 1 }
}
print "$count $sum\n";
