-- Input: [indexes, wanted, since, until, cursor's time, cursor's id, limit, scan]; -1 and "" for none.
-- `wanted` are [field, lower-case value] pairs that each email must match.
-- Answers [[id, email…], next cursor's time, its id]; the time is -1 after the last.
local indexes, wanted, since, until_, cursor_at, cursor_id, limit, scan = unpack(input)
local lowest = since < 0 and '-inf' or since

-- How many emails of the index are newer than the cursor's or the same: those of its millisecond
-- are in descending order of id, so a binary search finds the place whether it is there or not.
local function after_cursor(index)
  local newer = redis.call('ZCOUNT', index, '(' .. cursor_at, '+inf')
  local low, high = newer, newer + redis.call('ZCOUNT', index, cursor_at, cursor_at)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZREVRANGE', index, middle, middle)[1] >= cursor_id then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function goes_to(row, address)
  for _, other in ipairs(row[ABOUT] and row[ABOUT][RECIPIENTS] or {}) do
    if string.lower(other) == address then
      return true
    end
  end
  return false
end

local function matches(row)
  for _, want in ipairs(wanted) do
    local also = want[1] == TO and goes_to(row, want[2])
    if not also and string.lower(row[want[1]]) ~= want[2] then
      return false
    end
  end
  return true
end

-- The index with the fewest emails in the span of time serves; the other filters are checked.
local index, fewest
for _, name in ipairs(indexes) do
  local size = redis.call('ZCOUNT', prefix .. name, lowest, until_ < 0 and '+inf' or '(' .. until_)
  if not fewest or size < fewest then
    index, fewest = prefix .. name, size
  end
end

local rank = until_ < 0 and 0 or redis.call('ZCOUNT', index, until_, '+inf')
if cursor_at >= 0 then
  rank = math.max(rank, after_cursor(index))
end
local oldest = redis.call('ZCOUNT', index, lowest, '+inf')
local stop = math.min(oldest, rank + scan)
local found, last = {}, nil
while rank < stop and #found < 2 * limit do
  local ids = redis.call('ZREVRANGE', index, rank, math.min(stop, rank + limit) - 1)
  for _, id in ipairs(ids) do
    if #found == 2 * limit then
      break
    end
    rank, last = rank + 1, id
    local packed = redis.call('GET', prefix .. 'email:' .. id)
    if packed and (#wanted == 0 or matches(cjson.decode(packed))) then
      found[#found + 1] = id
      found[#found + 1] = packed
    end
  end
end
if last and rank < oldest then
  return { found, redis.call('ZSCORE', index, last), last }
end
return { found, '-1', '' }
