"""Every metric of a dispatch process, named once, with what it means.

They stand in the registry of prometheus_client. `serve` shows it at a port of our own: the one of
bytewax would show the dataflow, too, and to everybody.
"""

from prometheus_client import Counter, Gauge, start_http_server

from gomail.errors import ConfigurationError


def serve(host: str, port: int) -> tuple[str, int]:
    """Serve `/metrics` from a thread of its own until the process ends; answers where.

    Raises:
        ConfigurationError: the port cannot be had.
    """
    try:
        server, _ = start_http_server(port, host)
    except OSError as error:
        raise ConfigurationError(
            f"dispatch.metrics_port: cannot listen at {host} port {port} ({error.strerror}); "
            "choose another, one for each process of a machine"
        ) from error
    bound, at = server.server_address[:2]
    return str(bound), at


LEDGER_FAILURES = Counter(
    "gomail_ledger_failures", "Times the ledger failed; mail went on without it for a second."
)
LEDGER_LATE = Gauge(
    "gomail_ledger_late_records", "Outcomes that wait for the ledger to answer again."
)
LEDGER_MISSING = Counter(
    "gomail_ledger_missing_records", "Outcomes that were never told: the ledger was down too long."
)

ATTEMPTS = Counter(
    "gomail_attempts", "Sends that were begun, by what came of them.", ["provider", "outcome"]
)
HEALTHY = Gauge("gomail_provider_healthy", "1 while it counts as healthy.", ["provider"])
SHARE = Gauge("gomail_provider_share", "Its part of the mail just now, 0 to 1.", ["provider"])
IN_HAND = Gauge("gomail_provider_in_hand", "Emails in hand for it.", ["provider"])
RATE = Gauge(
    "gomail_provider_rate",
    "Recipients a second that it gets at most; +Inf where nothing limits it.",
    ["provider"],
)
PAUSED = Gauge("gomail_provider_paused_seconds", "For how long it is left alone.", ["provider"])
SLOW = Gauge("gomail_provider_slow", "1 while it gets less for being slow.", ["provider"])
ACCOUNT_FAULT = Gauge(
    "gomail_provider_account_fault",
    "1 while its account has something that people have to mend.",
    ["provider"],
)
MASKED = Gauge(
    "gomail_provider_masked_seconds",
    "For how long others have been covering for it while it is unhealthy, once that is longer than "
    "health.alert_after; else 0.",
    ["provider"],
)
