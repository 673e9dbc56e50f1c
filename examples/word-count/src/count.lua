#!lua
-- Counts the words of one entry, once: the effect and the note that it is in place are one step.
--
-- Reads:   whether the entry was counted before.
-- Changes: each word's count in KEYS[1], and KEYS[2], which remembers the entry; both, or neither.
--
-- KEYS[1]  a hash: word -> count
-- KEYS[2]  a set: the ids of the entries that were counted
-- ARGV     the entry's id, then its words
if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then return 0 end
for i = 2, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[i], 1) end
return #ARGV - 1
