-- How many primes are there below 200000, and what do they add up to?
CREATE TABLE composite (n INTEGER PRIMARY KEY);
WITH RECURSIVE
    factor (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM factor WHERE i * i < 200000),
    multiple (n, i) AS (SELECT i * i, i FROM factor UNION ALL SELECT n + i, i FROM multiple WHERE n + i < 200000)
INSERT OR IGNORE INTO composite SELECT n FROM multiple WHERE n < 200000;
WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < 200000)
SELECT count(*) || ' ' || sum(n) FROM number WHERE n NOT IN composite;
