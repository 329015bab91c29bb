"""What readers are told of an email beyond sender and first recipient. Pure."""

from gomail.email import Email
from gomail.ledger import About


def about(email: Email) -> About | None:
    """What the ledger keeps of it; None of an email that has no more to tell."""
    if not (
        email.also_to or email.cc or email.bcc or email.tags or email.metadata or email.send_at
    ):
        return None
    others = (*email.also_to, *email.cc, *email.bcc)
    return About(
        recipients=tuple(one.email for one in others),
        tags=email.tags,
        metadata=email.metadata,
        send_at=email.send_at,
    )
