-- Input: [index of an address, the address in all its spellings in lower case, most emails, how many
-- of the index to pass over]. Answers from how many emails it erased the address, and how many it
-- kept as they wait for their time.
local index, spellings, limit, over = unpack(input)
local wanted = {}
for _, address in ipairs(spellings) do
  wanted[address] = true
end

-- Puts the placeholder in one index in an address's place.
local function move(id, row, name, address)
  redis.call('ZREM', prefix .. name .. ':' .. string.lower(address), id)
  redis.call('ZADD', prefix .. name .. ':' .. ERASED, row[QUEUED_AT], id)
end

local function without_quote(detail)
  local lower = string.lower(detail)
  for _, address in ipairs(spellings) do
    if string.find(lower, address, 1, true) then
      return ''
    end
  end
  return detail
end

local function erase(id, row)
  if wanted[string.lower(row[FROM])] then
    move(id, row, 'from', row[FROM])
    row[FROM] = ERASED
  end
  if wanted[string.lower(row[TO])] then
    move(id, row, 'to', row[TO])
    row[TO] = ERASED
  end
  local about = row[ABOUT]
  for at, other in ipairs(about and about[RECIPIENTS] or {}) do
    if wanted[string.lower(other)] then
      move(id, row, 'to', other)
      about[RECIPIENTS][at] = ERASED
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

local key = prefix .. index
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
