"""How large an email is to a provider. Pure."""

from gomail.eligibility import WhyUnable
from gomail.email import Email


def size_limit(limit: int, sentence: str, *, texts_in_base64: bool) -> WhyUnable:
    """A `why_unable` that says `sentence` of every email above `limit` bytes.

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
        return sentence if weight(_text_bytes(email, files)) + files > limit else None

    return unable


def _text_bytes(email: Email, files: int) -> int:
    """Bytes of both texts; where they are in the payload store, what is no file there."""
    if email.claim is not None:
        return max(0, email.claim.size - files)
    return len(email.body.encode(errors="replace")) + len(email.html.encode(errors="replace"))


def _in_base64(size: int) -> int:
    return (size + 2) // 3 * 4
