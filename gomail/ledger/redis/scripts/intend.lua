-- Input: [id, provider, at, receive count, queued at, from, to] each. Answers for each: the state of
-- an email that has ended, else the attempt's number, negative if it may be a duplicate.
local REDRIVEN_AFTER = 60000 -- as in the port; the contract's tests hold both to it
local answers = {}

-- Attempts since the email was last put on a queue; an entry without provider is a redrive.
local function since_redrive(attempts)
  local count = 0
  for at = #attempts, 1, -1 do
    if attempts[at][PROVIDER_OF_ATTEMPT] == '' then
      break
    end
    count = count + 1
  end
  return count
end

for i, intent in ipairs(input) do
  local id, provider, at, receives, queued_at, from, to = unpack(intent)
  local row = load(id)
  local ended = row and ENDED[row[STATUS]]
  local redriven = ended and row[STATUS] ~= 'sent' and queued_at - row[QUEUED_AT] > REDRIVEN_AFTER
  if ended and not redriven then
    answers[i] = row[STATUS]
  else
    row = row or create(id, queued_at, from, to)
    local attempts = row[ATTEMPTS]
    local number = #attempts > 0 and attempts[#attempts][NUMBER] + 1 or 1
    if redriven then
      attempts[#attempts + 1] = { number, '', queued_at, 0, '', 'redriven', '', '', 0 }
      number = number + 1
    end
    local duplicate = since_redrive(attempts) < receives - 1 or may_be_out(attempts)
    local flag = duplicate and 1 or 0
    attempts[#attempts + 1] = { number, provider, at, -1, '', '', '', '', flag }
    change(id, row, 'sending', at, provider, '', '', number, flag)
    save(id, row)
    if duplicate then
      count('possible duplicates')
    end
    answers[i] = duplicate and -number or number
  end
end
write_counts()
return answers
