-- Input: oldest time of a living report. Answers [counts, [owner, at, exits…]].
local processes = {}
local living = redis.call('ZRANGEBYSCORE', prefix .. 'processes', input[1], '+inf', 'WITHSCORES')
for i = 1, #living, 2 do
  local exits = redis.call('GET', prefix .. 'process:' .. living[i])
  if exits then
    processes[#processes + 1] = living[i]
    processes[#processes + 1] = living[i + 1]
    processes[#processes + 1] = exits
  end
end
return { redis.call('HGETALL', prefix .. 'counts'), processes }
