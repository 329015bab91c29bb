-- Input: [seconds by which clocks may differ, [provider, count, rate or -1, burst, quota or -1] each].
-- Answers microseconds until each may be sent, or -1 where the quota is used up.
local SECOND, HOUR, HOURS = 1000000, 3600000000, 24
local KEEP_USED = 26 * 3600 -- seconds: longer than it counts

local set_back, takes = input[1] * SECOND, input[2]
local clock = redis.call('TIME')
local now = clock[1] * SECOND + clock[2]
local hour = math.floor(now / HOUR)
local accounts = {}

-- Of hours ahead of the clock only those stay that a clock set back by less than a day leaves.
local function used_of(provider)
  local sum, hours = 0, redis.call('HGETALL', prefix .. 'used:' .. provider)
  for i = 1, #hours, 2 do
    if math.abs(hours[i] - hour) > HOURS then
      redis.call('HDEL', prefix .. 'used:' .. provider, hours[i])
    else
      sum = sum + hours[i + 1]
    end
  end
  return sum
end

local function account_of(provider)
  if not accounts[provider] then
    local due, taken = unpack(redis.call('HMGET', prefix .. 'due:' .. provider, 'due', 'taken'))
    local counts = due and tonumber(taken) <= now + set_back
    accounts[provider] = { counts and tonumber(due) or 0, used_of(provider), {}, false }
  end
  return accounts[provider]
end

local answers = {}
for i, take in ipairs(takes) do
  local provider, count, rate, burst, quota = unpack(take)
  local account = account_of(provider)
  local due, used, new = unpack(account)
  if quota >= 0 and used + count > quota then
    answers[i] = -1
  else
    local at = now
    if rate >= 0 then
      local apart = SECOND / rate
      at = math.max(now, due - (burst - 1) * apart)
      account[1], account[4] = math.max(now, due) + count * apart, true
    end
    -- Not by the hour in which it was taken: any 24 hours of sends must keep the quota.
    local hour_of_send = math.floor(at / HOUR)
    new[hour_of_send] = (new[hour_of_send] or 0) + count
    account[2] = used + count
    answers[i] = math.ceil(at - now)
  end
end

for provider, account in pairs(accounts) do
  local new = account[3]
  if account[4] then
    local key, due = prefix .. 'due:' .. provider, string.format('%.3f', account[1])
    redis.call('HSET', key, 'due', due, 'taken', string.format('%.0f', now))
    redis.call('EXPIRE', key, math.ceil((account[1] - now) / SECOND) + 120)
  end
  if next(new) then
    for hour_of_send, count in pairs(new) do
      redis.call('HINCRBY', prefix .. 'used:' .. provider, hour_of_send, count)
    end
    redis.call('EXPIRE', prefix .. 'used:' .. provider, KEEP_USED)
  end
end
return answers
