-- Input: [at, id…]: a queue has confirmed these.
for i = 2, #input do
  local id = input[i]
  if redis.call('EXISTS', prefix .. 'body:' .. id) == 1 then
    release(id, load(id), input[1])
  end
end
return 0
