-- Input: [owner, at, exits]. Reports live for 30 s after the last one.
local owner, at, exits = unpack(input)
redis.call('SET', prefix .. 'process:' .. owner, exits, 'PX', 60000)
redis.call('ZADD', prefix .. 'processes', at, owner)
redis.call('ZREMRANGEBYSCORE', prefix .. 'processes', '-inf', at - 60000)
return 0
