# How many primes are there below 200000, and what do they add up to?
limit = 200_000
composite = Array.new(limit, false)
primes = (2...limit).select do |i|
  next if composite[i]

  (i * i).step(limit - 1, i) { |k| composite[k] = true }
  true
end
puts "#{primes.size} #{primes.sum}"
