-- What all scripts share; it stands in front of each of them. KEYS[1] is the schema key, ARGV are
-- prefix, schema version, most events kept, input as JSON. Keys, each behind the prefix:
--   schema                  version of this layout
--   email:<id>              one email: [status, queued at, updated at, from, to, provider, code,
--                           detail, attempts], JSON; attempt: [number, provider, started, duration
--                           or -1, kind or "", code, detail, provider's id, possible duplicate 0/1];
--                           a tenth while it is under way: whose. A tenth of an email where there is
--                           more: [other recipients, tags, metadata, send at, released at if ever]
--   schedule, leased        scheduled emails by send_at; those that somebody was given, by the end
--                           of the lease;   body:<id>   the queue message of either
--   all, status:<status>, to:<address>, from:<address>, provider:<name>
--                           indexes, sorted by the time of queueing, then by id; ASCII lower case
--   events                  stream of the last events;   counts   hash of counters
--   key:<idempotency key>   [fingerprint, message id, leased until, kept ms, claimed at, answered
--                           0/1, answer];   process:<owner>, processes   reports and their index
--   due:<provider>          when all that was taken of its rate is paid for: microseconds since the
--                           epoch, by this server;   used:<provider>   hash of recipients by hour
local prefix, input = ARGV[1], cjson.decode(ARGV[4])
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return redis.error_reply('SCHEMA is not version ' .. ARGV[2])
end

local STATUS, QUEUED_AT, UPDATED_AT, FROM, TO, PROVIDER, CODE, DETAIL, ATTEMPTS, ABOUT =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local NUMBER, PROVIDER_OF_ATTEMPT, STARTED, DURATION, KIND, DETAIL_OF_ATTEMPT,
  POSSIBLE_DUPLICATE, OWNER = 1, 2, 3, 4, 5, 7, 9, 10
local RECIPIENTS, METADATA, SEND_AT, RELEASED_AT = 1, 3, 4, 5
local REDRIVEN_AFTER = 60000 -- as in the port; the contract's tests hold both to it
local ERASED = 'erased' -- as in the port; the contract's tests hold both to it
local ENDED = { sent = true, refused = true, failed = true, canceled = true, expired = true }

-- An attempt without an outcome, or with an unknown one: the email may be out. An entry without
-- provider is a redrive. Attempts up to `from` do not count.
local function may_be_out(attempts, from)
  for at = (from or 0) + 1, #attempts do
    local attempt = attempts[at]
    local open = attempt[KIND] == '' and attempt[PROVIDER_OF_ATTEMPT] ~= ''
    if open or attempt[KIND] == 'unknown' then
      return true
    end
  end
  return false
end

local counts = {}

local function count(name)
  counts[name] = (counts[name] or 0) + 1
end

local function uncount(name)
  counts[name] = (counts[name] or 0) - 1
end

local function write_counts()
  for name, by in pairs(counts) do
    if by ~= 0 then
      redis.call('HINCRBY', prefix .. 'counts', name, by)
    end
  end
end

local function load(id)
  local packed = redis.call('GET', prefix .. 'email:' .. id)
  return packed and cjson.decode(packed)
end

local function save(id, row)
  redis.call('SET', prefix .. 'email:' .. id, cjson.encode(row))
end

local function create(id, queued_at, from, to, about)
  redis.call('ZADD', prefix .. 'all', queued_at, id)
  redis.call('ZADD', prefix .. 'from:' .. string.lower(from), queued_at, id)
  redis.call('ZADD', prefix .. 'to:' .. string.lower(to), queued_at, id)
  for _, address in ipairs(about and about[RECIPIENTS] or {}) do
    redis.call('ZADD', prefix .. 'to:' .. string.lower(address), queued_at, id)
  end
  return { '', queued_at, queued_at, from, to, '', '', '', {}, about }
end

local function send_at(row)
  return row[ABOUT] and row[ABOUT][SEND_AT] or 0
end

-- Takes an email off the schedule.
local function unschedule(id)
  redis.call('ZREM', prefix .. 'schedule', id)
  redis.call('ZREM', prefix .. 'leased', id)
  redis.call('DEL', prefix .. 'body:' .. id)
end

-- A queue has it: from `at` on, its redrives are counted.
local function release(id, row, at)
  unschedule(id)
  if row and row[ABOUT] then
    row[ABOUT][RELEASED_AT] = math.max(at, row[ABOUT][RELEASED_AT] or 0)
    save(id, row)
  end
end

local function reindex(id, row, index, old, new)
  if old == new then
    return
  end
  if old ~= '' then
    redis.call('ZREM', prefix .. index .. ':' .. old, id)
  end
  if new ~= '' then
    redis.call('ZADD', prefix .. index .. ':' .. new, row[QUEUED_AT], id)
  end
end

-- Gives an email another state, with its indexes, counters and event.
local function change(id, row, status, at, provider, code, detail, number, possible_duplicate)
  if status ~= row[STATUS] then
    if row[STATUS] ~= '' then
      uncount('status ' .. row[STATUS])
    end
    count('status ' .. status)
    if status == 'sent' then
      count('sent ' .. provider)
    end
  end
  reindex(id, row, 'status', row[STATUS], status)
  reindex(id, row, 'provider', row[PROVIDER], provider)
  row[STATUS], row[PROVIDER], row[CODE], row[DETAIL] = status, provider, code, detail
  row[UPDATED_AT] = at
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'event', cjson.encode({
    'status', at, id, status, provider, code, detail, number, possible_duplicate,
  }))
end
