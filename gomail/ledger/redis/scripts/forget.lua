-- Input: [index, address in lower case, most emails, how many of the index to pass
-- over]. Answers from how many emails it erased the address, and how many it kept as they wait for
-- their time.
local index, address, limit, over = unpack(input)

-- Puts the placeholder in one index in the address's place.
local function move(id, row, name)
  redis.call('ZREM', prefix .. name .. ':' .. address, id)
  redis.call('ZADD', prefix .. name .. ':' .. ERASED, row[QUEUED_AT], id)
end

local function without_quote(detail)
  return string.find(string.lower(detail), address, 1, true) and '' or detail
end

local function erase(id, row)
  if string.lower(row[FROM]) == address then
    row[FROM] = ERASED
    move(id, row, 'from')
  end
  if string.lower(row[TO]) == address then
    row[TO] = ERASED
    move(id, row, 'to')
  end
  local about = row[ABOUT]
  for at, other in ipairs(about and about[RECIPIENTS] or {}) do
    if string.lower(other) == address then
      about[RECIPIENTS][at] = ERASED
      move(id, row, 'to')
    end
  end
  if about then
    about[METADATA] = {}
  end
  row[DETAIL] = without_quote(row[DETAIL])
  for _, attempt in ipairs(row[ATTEMPTS]) do
    attempt[DETAIL_OF_ATTEMPT] = without_quote(attempt[DETAIL_OF_ATTEMPT])
  end
  save(id, row)
end

local key = prefix .. index .. ':' .. address
local erased, kept = 0, 0
for _, id in ipairs(redis.call('ZRANGE', key, over, over + limit - 1)) do
  local row = load(id)
  if not row then
    redis.call('ZREM', key, id)
  elseif row[STATUS] == 'scheduled' then
    kept = kept + 1
  else
    erase(id, row)
    erased = erased + 1
  end
end
return { erased, kept }
