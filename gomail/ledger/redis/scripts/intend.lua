-- Input: [id, provider, at, receive count, queued at, from, to] each. Answers one number each: 0 if
-- the email has ended, else the attempt's number, negative if it may be a duplicate.
local answers = {}
for i, intent in ipairs(input) do
  local id, provider, at, receives, queued_at, from, to = unpack(intent)
  local row = load(id)
  if row and ENDED[row[STATUS]] then
    answers[i] = 0
  else
    row = row or create(id, queued_at, from, to)
    local attempts = row[ATTEMPTS]
    local number = #attempts > 0 and attempts[#attempts][NUMBER] + 1 or 1
    local duplicate = #attempts < receives - 1 or may_be_out(attempts)
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
