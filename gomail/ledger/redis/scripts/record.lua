-- Input: [id, status, at, provider, number, kind, code, detail, provider's id, started, duration,
-- possible duplicate 0/1, queued at, from, to, more or absent] each.
-- Where an attempt stands or belongs, and the attempt if it is there.
local function find(attempts, number)
  for at, attempt in ipairs(attempts) do
    if attempt[NUMBER] >= number then
      return at, attempt[NUMBER] == number and attempt or nil
    end
  end
  return #attempts + 1, nil
end

-- A record without a number that is told again, since nobody knows whether it was written.
local function told(attempts, provider, started)
  for _, attempt in ipairs(attempts) do
    if attempt[KIND] ~= '' and attempt[STARTED] == started
      and attempt[PROVIDER_OF_ATTEMPT] == provider then
      return true
    end
  end
  return false
end

local function accepted(attempts)
  for _, attempt in ipairs(attempts) do
    if attempt[KIND] == 'accepted' then
      return true
    end
  end
  return false
end

-- Notes what an attempt brought; answers its number and flag, or nil where that is known already.
local function note(attempts, provider, number, kind, code, detail, provider_id, started, duration, flag)
  if number == 0 then
    if started > 0 and told(attempts, provider, started) then
      return nil
    end
    number = #attempts > 0 and attempts[#attempts][NUMBER] + 1 or 1
    -- Nobody was asked before it was sent: it may be one send too many.
    flag = (may_be_out(attempts) or accepted(attempts)) and 1 or flag
  end
  local at, known = find(attempts, number)
  if not known then
    known = { number, provider, started, -1, '', '', '', '', 0 }
    table.insert(attempts, at, known)
  elseif known[KIND] ~= '' then
    return nil
  end
  if flag > known[POSSIBLE_DUPLICATE] then
    count('possible duplicates')
  end
  flag = math.max(flag, known[POSSIBLE_DUPLICATE])
  started = started > 0 and started or known[STARTED]
  attempts[at] = {
    number, provider, started, kind == '' and -1 or duration, kind, code, detail, provider_id, flag,
  }
  if kind ~= '' then
    count('attempts ' .. kind .. ' ' .. provider)
  end
  return number, flag
end

-- Whether a later attempt has said more than one that is told late; an end is final all the same.
-- One that had no number is later than others by its start alone.
local function is_outdone(attempts, given, number, started, status)
  if ENDED[status] then
    return false
  end
  for _, attempt in ipairs(attempts) do
    local later = attempt[NUMBER] > number
    if given == 0 then
      later = attempt[NUMBER] ~= number and attempt[STARTED] > started
    end
    if later and attempt[PROVIDER_OF_ATTEMPT] ~= '' then
      return true
    end
  end
  return false
end

-- Whether an end was told late, since an operator has redriven the email meanwhile.
local function is_past(row, queued_at)
  local last = row[QUEUED_AT]
  for _, attempt in ipairs(row[ATTEMPTS]) do
    if attempt[PROVIDER_OF_ATTEMPT] == '' then
      last = math.max(last, attempt[STARTED])
    end
  end
  return queued_at + REDRIVEN_AFTER < last
end

-- Whether an address of it was to be forgotten: no detail told later is kept, it may quote it.
local function is_erased(row)
  if row[FROM] == ERASED or row[TO] == ERASED then
    return true
  end
  for _, other in ipairs(row[ABOUT] and row[ABOUT][RECIPIENTS] or {}) do
    if other == ERASED then
      return true
    end
  end
  return false
end

for _, record in ipairs(input) do
  local id, status, at, provider, number, kind, code, detail, provider_id, started, duration, flag,
    queued_at, from, to, about = unpack(record)
  local row = load(id) or create(id, queued_at, from, to, about)
  detail = is_erased(row) and '' or detail
  local late = false
  if provider == '' then
    number, provider, late = 0, row[PROVIDER], is_past(row, queued_at)
  else
    local given = number
    number, flag = note(
      row[ATTEMPTS], provider, number, kind, code, detail, provider_id, started, duration, flag
    )
    late = number and is_outdone(row[ATTEMPTS], given, number, started, status)
  end
  if number then
    if not ENDED[row[STATUS]] and not late then
      change(id, row, status, at, provider, code, detail, number, flag)
    end
    save(id, row)
  end
end
write_counts()
return 0
