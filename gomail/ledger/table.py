"""Which kinds of ledger there are, and how each is made. Adding one is a few lines here.

Only composition roots import this. An adapter is imported when it is wanted: a machine without
Redis needs no Redis client.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from gomail.errors import ConfigurationError
from gomail.ledger import Ledger
from gomail.settings import Settings, ledger_password


def open_ledger(settings: Settings, environ: Mapping[str, str] | None = None) -> Ledger | None:
    """The ledger that settings name; None where they name none.

    Raises:
        ConfigurationError: it cannot be used; the text says what to do.
    """
    url = settings.ledger.url
    if not url:
        return None
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        return _sqlite(rest)
    return _redis(with_password(url, ledger_password(environ)))


def with_password(url: str, password: SecretStr | None) -> str:
    """The URL as a client wants it, which is a secret from then on. Pure."""
    if password is None:
        return url
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    secret = quote(password.get_secret_value(), safe="")
    return urlunsplit(parts._replace(netloc=f"{user}:{secret}@{host}"))


def _sqlite(path: str) -> Ledger:
    from gomail.ledger.sqlite import SqliteLedger  # noqa: PLC0415 - only where it is wanted

    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"ledger.url: {file.parent} cannot be made ({error.strerror}); name another file, or "
            "nothing to keep no ledger"
        ) from error
    return SqliteLedger(file)


def _redis(url: str) -> Ledger:
    try:
        from gomail.ledger.redis import open_redis  # noqa: PLC0415 - only where it is wanted
    except ImportError as error:
        raise ConfigurationError(
            "ledger.url: a Redis ledger needs the Redis client; install it with "
            "`pip install 'gomail[redis]'`, or name a SQLite file"
        ) from error
    return open_redis(url)
