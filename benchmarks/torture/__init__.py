"""The torture suite: real processes under load, faults of every kind, and what became of the mail.

`python -m benchmarks.torture` plays every scenario; `docs/reliability.md` says what each promises.
"""
