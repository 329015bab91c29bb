"""The settings of the ways out: what all providers share, and one class a kind.

A secret is never a setting: `key_variable` names the variable of the environment that holds it, so
that several providers of one kind can have keys of their own.
"""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _http_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise ValueError("is not an http(s) URL")
    return value


Url = Annotated[str, AfterValidator(_http_url)]
KeyVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


def _domain(value: str) -> str:
    ascii_form = value.lower().rstrip(".")
    try:
        ascii_form = ascii_form.encode("idna").decode()
    except UnicodeError:
        raise ValueError("is no domain name") from None
    if not _DOMAIN.fullmatch(ascii_form):
        raise ValueError("is no domain name; write it like example.com, without @")
    return ascii_form


Domain = Annotated[str, AfterValidator(_domain)]


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]{1,253}", value):
        raise ValueError("is no name or address; write it like smtp.example.com, without a scheme")
    return value


class Part(BaseModel):
    """A section of the settings: read-only, and every key known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OutletSettings(Part):
    """What can be set for every provider."""

    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0,
        description="Its share of the mail, relative to the weights of the others of its priority.",
    )
    priority: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1,
        description="1 is served first. A provider of a lower priority (2, 3, …) gets mail only "
        "while none above it is healthy, unpaused and has room.",
    )
    from_domains: list[Domain] = Field(
        default_factory=list,
        description="Domains it may send for, as they stand in From; their subdomains are domains "
        "of their own. Empty: all.",
    )
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Most recipients a second, of all processes that share a ledger together. "
        "None: SES's is read from the account each minute, others are not limited.",
    )
    burst: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=1, description="Recipients that may follow each other at once within `rate`."
    )
    quota: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Most recipients in 24 hours. None: SES's is read from the account, others "
        "have none.",
    )
    rate_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="This process's part of rate and quota where no ledger shares them out (there "
        "is none, or it does not answer): 0.25 for each of four processes.",
    )


class SesSettings(OutletSettings):
    """Amazon SES, v2 API."""

    kind: Literal["ses"] = Field(default="ses", description="Which provider this is.")
    region: str | None = Field(default=None, description="AWS region; that of `aws` if left out.")
    configuration_set: str | None = Field(
        default=None, description="SES configuration set named in every send."
    )
    endpoint_url: Url | None = Field(
        default=None, description="Another SES endpoint, for example the sandbox's."
    )


class KeyedSettings(OutletSettings):
    """What can be set for a provider that is called with a key."""

    key_variable: KeyVariable


def _key_variable(default: str) -> str:
    field: str = Field(default=default, description="The environment variable that holds its key.")
    return field


class SendGridSettings(KeyedSettings):
    """Twilio SendGrid, v3 API."""

    kind: Literal["sendgrid"] = Field(default="sendgrid", description="Which provider this is.")
    key_variable: KeyVariable = _key_variable("SENDGRID_API_KEY")
    base_url: Url = Field(
        default="https://api.sendgrid.com",
        description="`https://api.eu.sendgrid.com` for EU subusers; or the sandbox's.",
    )


class MailgunSettings(KeyedSettings):
    """Mailgun, v3 API."""

    kind: Literal["mailgun"] = Field(default="mailgun", description="Which provider this is.")
    domain: Domain = Field(description="The sending domain, as set up at Mailgun.")
    key_variable: KeyVariable = _key_variable("MAILGUN_API_KEY")
    base_url: Url = Field(
        default="https://api.mailgun.net",
        description="`https://api.eu.mailgun.net` for domains in the EU; or the sandbox's.",
    )


class PostmarkSettings(KeyedSettings):
    """Postmark; its key is a server token."""

    kind: Literal["postmark"] = Field(default="postmark", description="Which provider this is.")
    key_variable: KeyVariable = _key_variable("POSTMARK_SERVER_TOKEN")
    message_stream: str = Field(
        default="outbound",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="The message stream that takes the mail.",
    )
    base_url: Url = Field(
        default="https://api.postmarkapp.com", description="Another endpoint, as the sandbox's."
    )


class ResendSettings(KeyedSettings):
    """Resend."""

    kind: Literal["resend"] = Field(default="resend", description="Which provider this is.")
    key_variable: KeyVariable = _key_variable("RESEND_API_KEY")
    base_url: Url = Field(
        default="https://api.resend.com", description="Another endpoint, as the sandbox's."
    )


class BrevoSettings(KeyedSettings):
    """Brevo, v3 API."""

    kind: Literal["brevo"] = Field(default="brevo", description="Which provider this is.")
    key_variable: KeyVariable = _key_variable("BREVO_API_KEY")
    base_url: Url = Field(
        default="https://api.brevo.com", description="Another endpoint, as the sandbox's."
    )


class SmtpSettings(KeyedSettings):
    """Any server that takes mail by SMTP with a login, a relay or a smarthost."""

    kind: Literal["smtp"] = Field(default="smtp", description="Which provider this is.")
    host: Annotated[str, AfterValidator(_host)] = Field(
        description="Name or address of the server, no URL."
    )
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(
        default=587, description="587 for STARTTLS, 465 for TLS from the first byte."
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls` (required, never given up), `tls`, or `none`, which is for "
        "loopback and private networks: the password then travels as it is.",
    )
    username: str = Field(default="", description="Login; empty for none.")
    key_variable: KeyVariable = Field(
        default="SMTP_PASSWORD",
        description="The environment variable that holds the password, where there is a username.",
    )
    connections: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=10, description="Most connections at once, of one process."
    )
    max_message_bytes: Annotated[int, Field(ge=65_536)] = Field(
        default=20_000_000, description="Most bytes of one email as the server takes it."
    )
    smtputf8: bool = Field(
        default=False,
        description="Whether the server takes addresses that are not ASCII before the @.",
    )


ProviderSettings = Annotated[
    SesSettings
    | SendGridSettings
    | MailgunSettings
    | PostmarkSettings
    | ResendSettings
    | BrevoSettings
    | SmtpSettings,
    Field(discriminator="kind"),
]

PROVIDER_KINDS: dict[str, type[OutletSettings]] = {
    "ses": SesSettings,
    "sendgrid": SendGridSettings,
    "mailgun": MailgunSettings,
    "postmark": PostmarkSettings,
    "resend": ResendSettings,
    "brevo": BrevoSettings,
    "smtp": SmtpSettings,
}
"""The settings of every kind, by its name."""


def key_variable(settings: OutletSettings) -> str:
    """The variable that must hold a provider's key; empty where it needs none."""
    match settings:
        case SmtpSettings(username=""):
            return ""
        case KeyedSettings():
            return settings.key_variable
        case _:
            return ""


KEY_VARIABLES: dict[str, str] = {
    kind: str(model.model_fields["key_variable"].default)
    for kind, model in PROVIDER_KINDS.items()
    if issubclass(model, KeyedSettings)
}
"""Where a provider of each kind finds its key unless its settings say otherwise."""
