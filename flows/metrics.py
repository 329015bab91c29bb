"""Every metric of a dispatch process, named once, with what it means.

They stand in the registry that bytewax serves at `/metrics` when its web server is on
(BYTEWAX_DATAFLOW_API_ENABLED).
"""

from prometheus_client import Counter, Gauge

LEDGER_FAILURES = Counter(
    "gomail_ledger_failures", "Times the ledger failed; mail went on without it for a second."
)
LEDGER_LATE = Gauge(
    "gomail_ledger_late_records", "Outcomes that wait for the ledger to answer again."
)
LEDGER_MISSING = Counter(
    "gomail_ledger_missing_records", "Outcomes that were never told: the ledger was down too long."
)
