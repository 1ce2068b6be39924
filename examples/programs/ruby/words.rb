# Counts the words of standard input: most frequent first, then by alphabet.
counts = $stdin.read.downcase.split.tally
counts.sort_by { |word, count| [-count, word] }.each { |word, count| puts "#{word} #{count}" }
