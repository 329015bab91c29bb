-- Input: [before, most emails, most events, how many of the oldest emails to pass over]. Answers how
-- many emails and events it forgot, and how many emails it kept as they are still to be sent.
local before, limit, most_events, over = unpack(input)

local function forget(id, row)
  if row then
    reindex(id, row, 'status', row[STATUS], '')
    reindex(id, row, 'provider', row[PROVIDER], '')
    redis.call('ZREM', prefix .. 'from:' .. string.lower(row[FROM]), id)
    redis.call('ZREM', prefix .. 'to:' .. string.lower(row[TO]), id)
    for _, address in ipairs(row[ABOUT] and row[ABOUT][RECIPIENTS] or {}) do
      redis.call('ZREM', prefix .. 'to:' .. string.lower(address), id)
    end
    redis.call('DEL', prefix .. 'email:' .. id)
  end
end

local ids = redis.call('ZRANGEBYSCORE', prefix .. 'all', '-inf', '(' .. before, 'LIMIT', over, limit)
local kept = 0
for _, id in ipairs(ids) do
  local row = load(id)
  local timed = row and send_at(row) > 0
  if timed and (send_at(row) >= before or redis.call('EXISTS', prefix .. 'body:' .. id) == 1) then
    kept = kept + 1
  else
    redis.call('ZREM', prefix .. 'all', id)
    forget(id, row)
  end
end

-- Events are told in order, so the oldest stand first; the newest always stays.
local oldest
for _, entry in ipairs(redis.call('XRANGE', prefix .. 'events', '-', '+', 'COUNT', most_events + 1)) do
  oldest = entry[1]
  if cjson.decode(entry[2][2])[2] >= before then
    break
  end
end
local events = oldest and redis.call('XTRIM', prefix .. 'events', 'MINID', oldest) or 0
return { #ids - kept, events, kept }
