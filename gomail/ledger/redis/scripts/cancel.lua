-- Input: [id, now]. Answers in the words of the port's `Cancellation`.
local CANCELABLE = { scheduled = true, queued = true, retrying = true }
local id, now = unpack(input)
local row = load(id)
if not row then
  return 'unknown email'
elseif row[STATUS] == 'canceled' then
  return 'canceled'
elseif send_at(row) == 0 then
  return 'not scheduled'
elseif not CANCELABLE[row[STATUS]] or may_be_out(row[ATTEMPTS]) then
  return 'too late'
end
unschedule(id)
change(id, row, 'canceled', now, row[PROVIDER], '', '', 0, 0)
save(id, row)
write_counts()
return 'canceled'
