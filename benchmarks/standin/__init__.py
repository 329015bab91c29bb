"""A fast stand-in for Amazon SQS, SES v2 and SendGrid, for measurements only.

One process, one core: uvloop, httptools and orjson. It keeps what a dispatcher's cost depends on
(long polls, visibility, batches, receive counts, latency) and nothing else: signatures are not
checked, queues exist once they are named. It makes the mail itself, so that nothing else costs CPU
beside the process under test, and it notes when each email was enqueued and accepted.

`sandbox/` is the faithful one, for tests and for people; it is too slow to be measured against.
"""
