
-- KEYS[1]: the bucket. ARGV[1]: its numbers and the cost, each of 8 bytes. Answers the state before
-- and after, and the time: whoever asked has core decide by them too.

local before = redis.call('GET', KEYS[1]) or string.rep('\0', 8)
if #before ~= 8 then
    return redis.error_reply('NOTABUCKET the key holds something else than a bucket')
end
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
if micros >= 9007199254740992 then
    return redis.error_reply('TOOLATE the time is beyond 2^53 microseconds')
end

local _, now = product(
    {
        micros % BASE,
        math.floor(micros / BASE) % BASE,
        math.floor(micros / BASE ^ 2) % BASE,
        math.floor(micros / BASE ^ 3),
    },
    {1000, 0, 0, 0}
)
local after, unit = decide(read_bucket(ARGV[1]), read(before, 1), read(ARGV[1], 33), now)
if not after then
    return {before, before, time[1], time[2]}
end

-- A unit takes a nanosecond at most. The key goes when the bucket is full again, up to twice as late,
-- and never earlier: each of the two parts is rounded up.
local owed = subtract(after, unit)
local nanos = ((owed[4] * BASE + owed[3]) * BASE + owed[2]) * BASE + owed[1]
local gone = math.floor(micros / 1000) + math.floor(nanos / 1000000) + 2
redis.call('SET', KEYS[1], write(after), 'PXAT', string.format('%.0f', gone))
return {before, write(after), time[1], time[2]}
