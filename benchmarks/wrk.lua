-- POST /email/send with an address of its own in every request; the figures as one line of JSON.
-- One thread of wrk only: each has a counter of its own.

local number = 0
local headers = { ["Content-Type"] = "application/json" }
local text = string.rep("It has left our house and should be with you soon. ", 20)
local body = '{"email":{"fromEmail":"shop@example.com","fromName":"The shop","toEmail":"reader-%d'
  .. '@example.org","subject":"Your order","body":"' .. text .. '"}}'

function request()
  number = number + 1
  return wrk.format("POST", "/email/send", headers, string.format(body, number))
end

function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format(
    '\n{"posts": %d, "failed_posts": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.requests, failed, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
