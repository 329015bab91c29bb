"""The headers that go out beside those a provider writes itself. Pure.

The door refuses what is checked here too: a header that got past it could add recipients.
"""

import re

from gomail.email import Email, ListUnsubscribe
from gomail.providers.mailbox import header_value

_NAME = re.compile(r"[!-9;-~]{1,76}\Z")
# Each would change who gets the email, from whom, or how it is read.
_PROVIDERS_OWN = re.compile(
    r"(?:from|sender|to|cc|bcc|reply-to|subject|date|message-id|return-path|mime-version"
    r"|list-unsubscribe|list-unsubscribe-post|(?:content|dkim|arc|x-gomail)-.*)\Z",
    re.IGNORECASE,
)
_URI = re.compile(r"[!-;=?-~]+\Z")  # printable ASCII but the brackets around it


def own_headers(email: Email) -> list[tuple[str, str]]:
    """The sender's own headers and those to unsubscribe by (RFC 8058), all in ASCII.

    Raises:
        ValueError: a name or URI that cannot stand in a header, or a name that is not the sender's.
    """
    headers = [(_checked(name), header_value(value)) for name, value in email.headers]
    if email.list_unsubscribe is not None:
        headers.append(("List-Unsubscribe", _uris(email.list_unsubscribe)))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return headers


def _checked(name: str) -> str:
    if not _NAME.match(name) or _PROVIDERS_OWN.match(name):
        raise ValueError("not a header of the sender's own")
    return name


def _uris(unsubscribe: ListUnsubscribe) -> str:
    uris = [uri for uri in (unsubscribe.url, unsubscribe.mailto) if uri]
    if not uris or not all(_URI.match(uri) for uri in uris):
        raise ValueError("not a URI that can stand in a header")
    return ", ".join(f"<{uri}>" for uri in uris)
