-- Input: [before, limit]. Answers how many emails and how many events it forgot.
local before, limit = unpack(input)

local ids = redis.call('ZRANGEBYSCORE', prefix .. 'all', '-inf', '(' .. before, 'LIMIT', 0, limit)
for _, id in ipairs(ids) do
  local row = load(id)
  redis.call('ZREM', prefix .. 'all', id)
  if row then
    reindex(id, row, 'status', row[STATUS], '')
    reindex(id, row, 'provider', row[PROVIDER], '')
    redis.call('ZREM', prefix .. 'from:' .. string.lower(row[FROM]), id)
    redis.call('ZREM', prefix .. 'to:' .. string.lower(row[TO]), id)
    redis.call('DEL', prefix .. 'email:' .. id)
  end
end

-- Events are told in order, so the oldest stand first; the newest always stays.
local oldest
for _, entry in ipairs(redis.call('XRANGE', prefix .. 'events', '-', '+', 'COUNT', limit + 1)) do
  oldest = entry[1]
  if cjson.decode(entry[2][2])[2] >= before then
    break
  end
end
local events = oldest and redis.call('XTRIM', prefix .. 'events', 'MINID', oldest) or 0
return { #ids, events }
