-- Input: [id, provider, at, receive count, queued at, from, to, owner, busy, alone 0/1, more or
-- absent] each.
-- Answers for each: the state of an email that has ended, or "under way", else 64 times the number
-- of the attempt (0 if it is put off), plus 1 if it may be a duplicate, plus 2 if an earlier one is
-- unanswered, plus 4 times how many were abandoned, up to 15.
local REPORT_LIFE, SUSPECT, KILLER = 30000, 2, 3 -- likewise
local REDRIVABLE = { refused = true, failed = true }
local answers = {}

-- Where the last redrive stands among the attempts, which is an entry without provider; else 0.
local function last_redrive(attempts)
  for at = #attempts, 1, -1 do
    if attempts[at][PROVIDER_OF_ATTEMPT] == '' then
      return at
    end
  end
  return 0
end

-- Whether an operator has put an email that has ended on its queue again.
local function is_redriven(id, row, queued_at)
  local released_at = row[ABOUT] and row[ABOUT][RELEASED_AT] or 0
  return REDRIVABLE[row[STATUS]]
    and queued_at - math.max(row[QUEUED_AT], released_at) > REDRIVEN_AFTER
    and (send_at(row) == 0 or redis.call('EXISTS', prefix .. 'body:' .. id) == 0)
end

-- Whether another process may still be sending; a clock that was set back counts either way.
local function is_under_way(attempts, at, owner, busy)
  for _, attempt in ipairs(attempts) do
    local open = attempt[KIND] == '' and attempt[OWNER] and attempt[OWNER] ~= owner
    if open and math.abs(at - attempt[STARTED]) < busy then
      return true
    end
  end
  return false
end

-- How many attempts since `since`, begun by other processes, have no outcome; of how many the process
-- is gone. Who began an attempt that was noted afterwards is not known.
local function count_left(attempts, since, at, mine)
  local left, abandoned = 0, 0
  for i = since + 1, #attempts do
    local owner = attempts[i][KIND] == '' and attempts[i][OWNER]
    if owner and owner ~= mine then
      local reported = redis.call('ZSCORE', prefix .. 'processes', owner)
      local living = reported and tonumber(reported) >= at - REPORT_LIFE
      left, abandoned = left + 1, abandoned + (living and 0 or 1)
    end
  end
  return left, math.min(abandoned, 15)
end

for i, intent in ipairs(input) do
  local id, provider, at, receives, queued_at, from, to, owner, busy, alone, about = unpack(intent)
  local row = load(id)
  local ended = row and ENDED[row[STATUS]]
  local redriven = ended and is_redriven(id, row, queued_at)
  if ended and not redriven then
    answers[i] = row[STATUS]
  elseif row and is_under_way(row[ATTEMPTS], at, owner, busy) then
    answers[i] = 'under way'
  else
    row = row or create(id, queued_at, from, to, about)
    local attempts = row[ATTEMPTS]
    local number = #attempts > 0 and attempts[#attempts][NUMBER] + 1 or 1
    if redriven then
      attempts[#attempts + 1] = { number, '', queued_at, 0, '', 'redriven', '', '', 0 }
      number = number + 1
    end
    local since = last_redrive(attempts)
    local unanswered = may_be_out(attempts, since)
    local duplicate = #attempts - since < receives - 1 or may_be_out(attempts)
    local flag = duplicate and 1 or 0
    local left, abandoned = 0, 0
    if unanswered then
      left, abandoned = count_left(attempts, since, at, owner)
    end
    if abandoned >= KILLER or (left >= SUSPECT and alone == 0) then
      number = 0
    else
      attempts[#attempts + 1] = { number, provider, at, -1, '', '', '', '', flag, owner }
      change(id, row, 'sending', at, provider, '', '', number, flag)
      save(id, row)
      if duplicate then
        count('possible duplicates')
      end
    end
    answers[i] = 64 * number + 4 * abandoned + flag + (unanswered and 2 or 0)
  end
end
write_counts()
return answers
