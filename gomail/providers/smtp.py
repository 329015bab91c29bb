"""Any server that takes mail by SMTP: a relay, a smarthost, a service's SMTP interface.

What it needs beyond gomail's own dependencies, aiosmtplib, is imported when the first provider of
this kind is built.
"""

from pydantic import SecretStr

from gomail.eligibility import WhyUnable
from gomail.email import Email
from gomail.errors import ConfigurationError
from gomail.provider_settings import SmtpSettings
from gomail.providers import Provider
from gomail.providers.headers import own_headers
from gomail.providers.limits import size_limit

_HEADERS = 16_384  # bytes that headers and what divides the parts may take


def smtp(name: str, settings: SmtpSettings, password: SecretStr | None) -> Provider:
    """A server by its settings.

    Raises:
        ConfigurationError: aiosmtplib is not installed.
    """
    try:
        from gomail.providers.smtp_sending import SmtpProvider  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name != "aiosmtplib":
            raise
        raise ConfigurationError(
            f'providers.{name} sends by SMTP, which needs aiosmtplib: pip install "gomail[smtp]"'
        ) from error
    return SmtpProvider(name, settings, password)


def why_unable(settings: SmtpSettings) -> WhyUnable:
    """Why such a server could never carry an email, by the field at fault; None where it can."""
    most = settings.max_message_bytes
    # base64 in lines is 78 bytes for 76; what is close to the limit is counted before it is sent.
    too_large = size_limit(
        (most - _HEADERS) * 76 // 78,
        f"the server takes at most {most} bytes",
        texts_in_base64=True,
    )

    def unable(email: Email) -> str | None:
        if email.headers or email.list_unsubscribe is not None:
            try:
                own_headers(email)
            except ValueError as error:  # composing would raise it for every attempt
                return f"headers: {error}"
        return too_large(email)

    return unable
