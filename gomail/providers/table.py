"""Which kinds of provider there are, how each is made and what it can carry. Adding one is a row.

Only composition roots import this: everything else knows the port in `gomail.providers`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from gomail.eligibility import Outlet, Outlets, WhyUnable
from gomail.email import Email
from gomail.errors import ConfigurationError
from gomail.exits import OutletRules
from gomail.http import Transport
from gomail.provider_settings import (
    ProviderSettings,
    SesSettings,
    SmtpSettings,
    key_variable,
)
from gomail.providers import (
    Provider,
    brevo,
    mailgun,
    postmark,
    resend,
    sendgrid,
    ses,
    ses_limits,
    smtp,
)
from gomail.providers.limits import ascii_only, both
from gomail.providers.sending import Signer
from gomail.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What a provider may need beside its settings; each takes what it knows."""

    transport: Transport
    key: SecretStr | None = None
    """The provider's key, from `gomail.settings.provider_keys`."""
    sign: Signer | None = field(default=None, repr=False)
    """AWS: signs for the service `ses` in this provider's region, with credentials kept fresh."""
    endpoint: str = ""
    """AWS: the endpoint in that region, used where the settings name no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of provider."""

    make: Callable[[str, Any, Supplies], Provider]
    """From name, that kind's settings, supplies.

    Raises:
        ConfigurationError: something it needs is missing.
    """
    unable: Callable[[Any], WhyUnable]
    """From that kind's settings: why it could never carry an email."""
    idempotent: bool = False
    """Whether a repeated send with the same id is recognised, so that an attempt whose outcome is
    unknown is best repeated here."""
    utf8: Callable[[Any], bool] = lambda _: False
    """From that kind's settings: whether it takes addresses that are not ASCII before the @."""


def _ses(name: str, settings: SesSettings, supplies: Supplies) -> Provider:
    endpoint = settings.endpoint_url or supplies.endpoint
    if supplies.sign is None or not endpoint:
        raise ConfigurationError(f"providers.{name} needs AWS credentials and a region; set them")
    return ses.ses(
        name,
        endpoint=endpoint,
        configuration_set=settings.configuration_set,
        transport=supplies.transport,
        sign=supplies.sign,
    )


def _keyed(make: Callable[..., Provider], *more: str) -> Callable[[str, Any, Supplies], Provider]:
    """The factory of a kind that is called with a key: `more` of its settings go to `make`, too."""

    def build_it(name: str, settings: Any, supplies: Supplies) -> Provider:
        return make(
            name,
            base_url=settings.base_url,
            key=_key(name, settings, supplies),
            transport=supplies.transport,
            **{one: getattr(settings, one) for one in more},
        )

    return build_it


def _smtp(name: str, settings: SmtpSettings, supplies: Supplies) -> Provider:
    password = _key(name, settings, supplies) if settings.username else None
    return smtp.smtp(name, settings, password)


def _key(name: str, settings: ProviderSettings, supplies: Supplies) -> SecretStr:
    if supplies.key is None:
        raise ConfigurationError(f"providers.{name} has no key; set {key_variable(settings)}")
    return supplies.key


KINDS: dict[str, Kind] = {
    "ses": Kind(make=_ses, unable=lambda _: ses_limits.why_unable),
    "sendgrid": Kind(make=_keyed(sendgrid.sendgrid), unable=lambda _: sendgrid.why_unable),
    "postmark": Kind(
        make=_keyed(postmark.postmark, "message_stream"), unable=lambda _: postmark.why_unable
    ),
    "resend": Kind(make=_keyed(resend.resend), unable=lambda _: resend.why_unable, idempotent=True),
    "mailgun": Kind(make=_keyed(mailgun.mailgun, "domain"), unable=lambda _: mailgun.why_unable),
    "smtp": Kind(make=_smtp, unable=smtp.why_unable, utf8=lambda settings: settings.smtputf8),
    "brevo": Kind(make=_keyed(brevo.brevo), unable=lambda _: brevo.why_unable),
}
"""Every kind in the settings."""


def build(name: str, settings: ProviderSettings, supplies: Supplies) -> Provider:
    """The provider that settings describe.

    Raises:
        ConfigurationError: something it needs is missing; the text says what to set.
    """
    return KINDS[settings.kind].make(name, settings, supplies)


def outlets(settings: Settings) -> Outlets:
    """What the configured providers may and can carry; needs no key."""
    return Outlets(_outlet(name, one) for name, one in settings.providers.items())


def _outlet(name: str, settings: ProviderSettings) -> Outlet:
    kind = KINDS[settings.kind]
    unable, utf8 = kind.unable(settings), kind.utf8(settings)
    return Outlet(
        name,
        _within(settings.quota, unable if utf8 else both(ascii_only(name), unable)),
        frozenset(settings.from_domains),
        utf8=utf8,
    )


def _within(quota: int | None, unable: WhyUnable) -> WhyUnable:
    """The same, and no email to more recipients than a day's quota: its turn would never come."""
    if quota is None:
        return unable

    def why(email: Email) -> str | None:
        if email.recipients > quota:
            return f"to: has more recipients than its quota of {quota} in 24 hours"
        return unable(email)

    return why


def outlet_rules(settings: ProviderSettings) -> OutletRules:
    """How a configured provider takes part in routing."""
    return OutletRules(
        weight=settings.weight,
        priority=settings.priority,
        rate=settings.rate,
        burst=settings.burst,
        quota=settings.quota,
        rate_share=settings.rate_share,
        idempotent=KINDS[settings.kind].idempotent,
    )
