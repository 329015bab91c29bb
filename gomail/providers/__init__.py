"""The provider port: one attempt to hand one email to one provider.

One file a provider: translate (pure) and classify (pure); what all HTTP providers share is in
`gomail.providers.sending`. A provider's answer, whatever it is, is an `Outcome`.
"""

from typing import Protocol

from gomail.email import Email, Message
from gomail.outcome import Outcome


class Provider(Protocol):
    """A way out for email."""

    @property
    def name(self) -> str:
        """Its name in settings, logs and records."""
        ...

    def why_unable(self, email: Email) -> str | None:
        """Why it could never carry this email, as a sentence; None where it can."""
        ...

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds; never raises for what the provider or network did."""
        ...
