-- Input: [until, now, lease, limit]. Answers [id, send at, body…], earliest first.
local until_, now, lease, limit = unpack(input)

-- Whoever was given these did not finish: they are given out again.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leased', '-inf', now)) do
  local row = load(id)
  redis.call('ZREM', prefix .. 'leased', id)
  redis.call('ZADD', prefix .. 'schedule', row and send_at(row) or 0, id)
end

local taken = {}
while #taken < 3 * limit do
  local wanted = limit - #taken / 3
  local ids = redis.call('ZRANGEBYSCORE', prefix .. 'schedule', '-inf', until_, 'LIMIT', 0, wanted)
  if #ids == 0 then
    break
  end
  for _, id in ipairs(ids) do
    local row, body = load(id), redis.call('GET', prefix .. 'body:' .. id)
    if row and body and row[STATUS] == 'scheduled' then
      redis.call('ZREM', prefix .. 'schedule', id)
      redis.call('ZADD', prefix .. 'leased', now + lease, id)
      taken[#taken + 1] = id
      taken[#taken + 1] = send_at(row)
      taken[#taken + 1] = body
    else -- it went on from a queue, though nobody lived to say that it is there
      release(id, row, now)
    end
  end
end
return taken
