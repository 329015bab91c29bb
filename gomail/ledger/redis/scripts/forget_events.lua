-- Input: [addresses in lower case, where to begin, most events]. Events that quote one go: a
-- stream's entries cannot be changed. Answers the last one looked at, empty after the end.
local addresses, from, limit = unpack(input)
local DETAIL_OF_EVENT = 7
local last = ''
for _, entry in ipairs(redis.call('XRANGE', prefix .. 'events', from, '+', 'COUNT', limit)) do
  last = entry[1]
  local event = cjson.decode(entry[2][2])
  local quoted = event[1] == 'status' and string.lower(event[DETAIL_OF_EVENT]) or ''
  for _, address in ipairs(addresses) do
    if string.find(quoted, address, 1, true) then
      redis.call('XDEL', prefix .. 'events', last)
      break
    end
  end
end
return last
