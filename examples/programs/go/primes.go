// How many primes are there below 200000, and what do they add up to?
package main

import "fmt"

func main() {
	const limit = 200000
	composite := make([]bool, limit)
	count, sum := 0, 0
	for i := 2; i < limit; i++ {
		if composite[i] {
			continue
		}
		count++
		sum += i
		for k := i * i; k < limit; k += i {
			composite[k] = true
		}
	}
	fmt.Println(count, sum)
}
