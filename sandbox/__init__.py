"""The cloud on one machine: an SQS-compatible queue, SES and SendGrid endpoints, and a mailbox.

`python -m sandbox` serves all of it on one loopback port. Its handlers are thin, so that load
tests measure what they test and not the sandbox: at 64 connections a request costs 35-50 us of one
core, a batch of ten 70-150 us, and with a file 5-35 us more (2026, 2-core machine, Python 3.11).

`queue.py` holds the rules of a queue and is pure; `store.py` keeps queues in SQLite; `sqs.py`,
`ses.py` and `sendgrid.py` speak the three protocols; `faults.py` decides which calls go wrong;
`mailbox.py` remembers what was accepted; `desk.py` serves mailbox, calls and switches;
`__main__.py` puts them together.
"""
