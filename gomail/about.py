"""What readers are told of an email beyond sender and first recipient. Pure."""

from gomail.email import Email
from gomail.ledger import About


def about(email: Email) -> About | None:
    """What the ledger keeps of it; None of an email that has no more to tell."""
    others = (*email.also_to, *email.cc, *email.bcc)
    if not (others or email.tags or email.metadata or email.send_at):
        return None
    return About(
        recipients=tuple(one.email for one in others),
        tags=email.tags,
        metadata=email.metadata,
        send_at=email.send_at,
    )
