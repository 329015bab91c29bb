-- Input: [key, fingerprint, message id, now, lease, keep] each. Answers [state, message id, answer].
local FINGERPRINT, MESSAGE, UNTIL, KEEP, CLAIMED_AT, ANSWERED, ANSWER = 1, 2, 3, 4, 5, 6, 7

local answers = {}
for i, request in ipairs(input) do
  local key, fingerprint, message, now, lease, keep = unpack(request)
  key = prefix .. 'key:' .. key
  local packed = redis.call('GET', key)
  local claim = packed and cjson.decode(packed)
  -- The server's clock forgets keys; the caller's does too, should the server's be slow.
  if claim and now >= claim[CLAIMED_AT] + math.max(lease, claim[KEEP]) then
    claim = nil
  end
  if not claim then
    claim = { fingerprint, message, now + lease, keep, now, 0, '' }
    redis.call('SET', key, cjson.encode(claim), 'PX', lease + keep)
    answers[i] = { 'new', message, '' }
  elseif claim[FINGERPRINT] ~= fingerprint then
    answers[i] = { 'other body', claim[MESSAGE], '' }
  elseif claim[ANSWERED] == 1 then
    answers[i] = { 'answered', claim[MESSAGE], claim[ANSWER] }
  elseif now < claim[UNTIL] then
    answers[i] = { 'in flight', claim[MESSAGE], '' }
  else
    claim[UNTIL], claim[CLAIMED_AT], claim[KEEP] = now + lease, now, keep
    redis.call('SET', key, cjson.encode(claim), 'PX', lease + keep)
    answers[i] = { 'new', claim[MESSAGE], '' }
  end
end
return answers
