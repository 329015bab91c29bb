-- Input: [owner, at, exits]. Kept a little longer than `stats` counts a process as living.
local owner, at, exits = unpack(input)
redis.call('SET', prefix .. 'process:' .. owner, exits, 'PX', 60000)
redis.call('ZADD', prefix .. 'processes', at, owner)
redis.call('ZREMRANGEBYSCORE', prefix .. 'processes', '-inf', at - 60000)
return 0
