-- Input: the event as `wire.event` reads it.
redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', ARGV[3], '*', 'event', cjson.encode(input))
return 0
