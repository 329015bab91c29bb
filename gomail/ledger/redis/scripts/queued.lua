-- Input: [id, at, from, to, more or absent, body of a scheduled one or absent] each.
for _, email in ipairs(input) do
  local id, at, from, to, about, body = unpack(email)
  if redis.call('EXISTS', prefix .. 'email:' .. id) == 0 then
    local row = create(id, at, from, to, about)
    local waits = body or send_at(row) > 0
    change(id, row, waits and 'scheduled' or 'queued', at, '', '', '', 0, 0)
    save(id, row)
    if body then
      redis.call('SET', prefix .. 'body:' .. id, body)
      redis.call('ZADD', prefix .. 'schedule', send_at(row), id)
    end
  end
end
write_counts()
return 0
