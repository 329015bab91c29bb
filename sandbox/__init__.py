"""The cloud on one machine: an SQS-compatible queue, S3, every kind of provider, and a mailbox.

`python -m sandbox` serves all of it on one loopback port, SMTP on another. Its handlers are thin,
so that load tests measure what they test and not the sandbox: at 64 connections a request costs
35-50 us of one core, a call with ten messages 65-155 us; keeping queues in a file adds 0-5 us, or
30-40 us for ten (2026, 2-core machine, Python 3.11).

`queue.py` holds the rules of a queue and is pure, `waiting.py` its long polls, `store.py` keeps
queues in SQLite; `sqs.py`, `s3.py`, `smtp.py` and one file for each other kind of provider speak
the protocols; `faults.py` decides which calls go wrong; `mailbox.py` remembers what was accepted;
`desk.py` serves mailbox, calls and switches; `__main__.py` puts them together.
"""
