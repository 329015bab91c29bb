"""Which payload store there is. Only composition roots import this."""

from gomail.aws import Credentials
from gomail.errors import ConfigurationError
from gomail.http import Transport
from gomail.payloads import Payloads
from gomail.payloads.s3 import S3Payloads, bucket_url, is_key
from gomail.settings import Settings


def open_payloads(
    settings: Settings, transport: Transport, credentials: Credentials
) -> Payloads | None:
    """The store that settings name; None where they name no bucket. Asks nobody anything.

    Raises:
        ConfigurationError: no payload could be kept under the prefix.
    """
    wanted = settings.payloads
    if not wanted.bucket:
        return None
    if not is_key(f"{wanted.prefix}id"):
        raise ConfigurationError(
            f"payloads.prefix: {wanted.prefix!r} begins with a slash, or has two in a row, or a "
            "part that is only dots; write it like `gomail/`"
        )
    region = settings.aws.region
    url = bucket_url(wanted.bucket, region=region, endpoint_url=wanted.endpoint_url)
    return S3Payloads(transport, credentials, region=region, url=url, prefix=wanted.prefix)
