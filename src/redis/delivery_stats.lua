#!lua flags=no-writes,allow-oom
-- KEYS Q S   ->  { pending, oldest due }
-- include store.lua
return { call('ZCARD', DUE), call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or '0' }
