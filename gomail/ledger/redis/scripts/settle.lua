-- Input: [key, message id, 1 to answer or 0 to release, answer] each.
local MESSAGE, UNTIL, KEEP, ANSWERED, ANSWER = 2, 3, 4, 6, 7

for _, request in ipairs(input) do
  local key, message, answered, answer = unpack(request)
  key = prefix .. 'key:' .. key
  local packed = redis.call('GET', key)
  local claim = packed and cjson.decode(packed)
  if claim and claim[MESSAGE] == message and claim[ANSWERED] == 0 then
    if answered == 1 then
      claim[ANSWERED], claim[ANSWER] = 1, answer
      redis.call('SET', key, cjson.encode(claim), 'PX', math.max(1, claim[KEEP]))
    else
      claim[UNTIL] = 0
      redis.call('SET', key, cjson.encode(claim), 'KEEPTTL')
    end
  end
end
return 0
