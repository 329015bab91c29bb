"""What kinds of provider refuse in the same way: size, and addresses of other scripts. Pure."""

from gomail.eligibility import ASCII_ONLY, WhyUnable
from gomail.email import Email, addressed, is_ascii_local


def size_limit(limit: int, sentence: str, *, texts_in_base64: bool) -> WhyUnable:
    """A `why_unable` that says `sentence` of every email above `limit` bytes, at its largest part.

    Attachments count as base64; texts do where the limit is on what the provider makes of them.
    """
    weight = _in_base64 if texts_in_base64 else int

    def unable(email: Email) -> str | None:
        # A character is at most four bytes, six in base64: texts of a usual size are never encoded
        # for this.
        plain = not email.attachments and email.claim is None
        if plain and 6 * (len(email.body) + len(email.html)) <= limit:
            return None
        files = sum(_in_base64(attachment.size) for attachment in email.attachments)
        texts = weight(_text_bytes(email, files))
        return f"{_largest(email, texts, files)}: {sentence}" if texts + files > limit else None

    return unable


def ascii_only(provider: str) -> WhyUnable:
    """A `why_unable` for a provider that takes only ASCII before the @ of every address."""

    def unable(email: Email) -> str | None:
        few = not (email.also_to or email.cc or email.bcc or email.reply_to)
        ascii_pair = email.from_email.isascii() and email.to_email.isascii()
        if ascii_pair and (few or _are_ascii(email)):
            return None  # as most are: only others pay for the names of fields
        for field, _, address in addressed(email):
            if not is_ascii_local(address):
                return f"{field}: {provider} {ASCII_ONLY}"
        return None

    return unable


def both(first: WhyUnable, second: WhyUnable) -> WhyUnable:
    """A `why_unable` of two rules; the first is told where both are broken."""
    return lambda email: first(email) or second(email)


def _are_ascii(email: Email) -> bool:
    """Whether all further addresses are."""
    for people in (email.also_to, email.cc, email.bcc, email.reply_to):
        for one in people:
            if not one.email.isascii():
                return False
    return True


def _largest(email: Email, texts: int, files: int) -> str:
    """The field to look at first; which text it is nobody knows where it is in the store."""
    if files > texts:
        return "attachments"
    return "html" if len(email.html) > len(email.body) else "body"


def _text_bytes(email: Email, files: int) -> int:
    """Bytes of both texts; where they are in the payload store, what is no file there."""
    if email.claim is not None:
        return max(0, email.claim.size - files)
    return len(email.body.encode(errors="replace")) + len(email.html.encode(errors="replace"))


def _in_base64(size: int) -> int:
    return (size + 2) // 3 * 4
