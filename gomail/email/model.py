"""What an email is: values, without rules. Pure."""

from dataclasses import dataclass

from gomail.value import value

MOST_RECIPIENTS = 50
"""To, cc and bcc together: the limit of Amazon SES (its quotas page)."""
MOST_ATTACHMENTS = 10


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address and the name shown for it; the name may be empty."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with an email."""

    filename: str
    content_type: str
    content: str
    """Base64 as it came, without line breaks; empty where it is kept in the payload store."""
    size: int
    """Bytes of the file, decoded."""
    content_id: str = ""
    """Under which `cid:` URL the HTML shows it, without angle brackets; empty for an attachment
    that is not shown inline."""


@dataclass(frozen=True, slots=True)
class ListUnsubscribe:
    """Where a reader can unsubscribe with one click (RFC 8058)."""

    url: str
    """HTTPS; gets a POST with `List-Unsubscribe=One-Click`."""
    mailto: str = ""
    """A `mailto:` URI besides; may be empty."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Where the large parts of an email are that does not fit a queue (claim-check pattern).

    That is its texts and the contents of its attachments, in the payload store.
    """

    key: str
    sha256: str
    """Of the stored bytes, in hexadecimal."""
    size: int
    """Of the stored bytes."""


@value
class Email:
    """One email as its sender asked for it; empty where a field was left out.

    Times are milliseconds since the epoch, 0 for none.
    """

    from_email: str
    to_email: str
    """The first recipient."""
    body: str
    """The plain text; may be empty where there is HTML."""
    from_name: str = ""
    to_name: str = ""
    subject: str = ""
    html: str = ""
    also_to: tuple[Mailbox, ...] = ()
    """Recipients in `To` beyond the first."""
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Name and value of each header of the sender's own."""
    attachments: tuple[Attachment, ...] = ()
    tags: tuple[str, ...] = ()
    """Words by which senders group their mail; providers get them."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Given back to whoever asks what became of the email; never sent."""
    list_unsubscribe: ListUnsubscribe | None = None
    send_at: int = 0
    """Not to be sent before."""
    expires_at: int = 0
    """Not to be sent after."""
    on_unknown: str = ""
    """`retry` or `dead-letter`; empty for what the settings say."""
    only: tuple[str, ...] = ()
    """Names of the providers it may go to; empty for all."""
    exclude: tuple[str, ...] = ()
    """Names of providers it may not go to."""
    claim: Claim | None = None
    """Where its large parts are, while they are not here."""

    @property
    def to(self) -> tuple[Mailbox, ...]:
        """All recipients in `To`."""
        return (Mailbox(self.to_email, self.to_name), *self.also_to)

    @property
    def recipients(self) -> int:
        """How many people it goes to: to, cc and bcc."""
        return 1 + len(self.also_to) + len(self.cc) + len(self.bcc)


@value
class Message:
    """An email with the id under which the API promised it."""

    id: str
    email: Email
    accepted_at: str = ""
    """When the API took it, RFC 3339 in UTC with milliseconds; empty from the Go service."""
