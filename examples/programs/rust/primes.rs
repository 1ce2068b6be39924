// How many primes are there below 200000, and what do they add up to?
fn main() {
    const LIMIT: usize = 200_000;
    let mut composite = vec![false; LIMIT];
    let (mut count, mut sum) = (0, 0u64);
    for i in 2..LIMIT {
        if composite[i] {
            continue;
        }
        count += 1;
        sum += i as u64;
        for k in (i * i..LIMIT).step_by(i) {
            composite[k] = true;
        }
    }
    println!("{count} {sum}");
}
