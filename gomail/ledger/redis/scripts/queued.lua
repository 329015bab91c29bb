-- Input: [id, at, from, to] each.
for _, email in ipairs(input) do
  local id, at, from, to = unpack(email)
  if redis.call('EXISTS', prefix .. 'email:' .. id) == 0 then
    local row = create(id, at, from, to)
    change(id, row, 'queued', at, '', '', '', 0, 0)
    save(id, row)
  end
end
write_counts()
return 0
