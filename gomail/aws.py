"""One AWS service over our transport: signature, credentials, endpoint, and what an error says.

The hot path signs with our own Signature V4, whose signing key is kept for the day; a test compares
it byte for byte with botocore's. Everything else is botocore's, off the event loop where it may
wait: the credential chain, the endpoint rules, the error parser. botocore is imported where it is
used, because the sandbox and the tests of pure code come by here too.

No error, log line or `repr` of this module holds a secret, a token or a signature.
"""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from gomail.errors import ConfigurationError
from gomail.http import Response, Transport
from gomail.outcome import clip

logger = logging.getLogger(__name__)

CREDENTIAL_CODES = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "UnrecognizedClientException",
    }
)
"""Codes that newer credentials may cure; nothing of such a call has been acted on."""

CONTENT_DIGEST = "X-Amz-Content-Sha256"
"""Header with the body's SHA-256 in hexadecimal, which S3 wants; it is not reckoned twice then."""

_REFUSED_STATUSES = frozenset({400, 401, 403})
_LOOK_AGAIN_SECONDS = 30.0  # botocore renews some 10 minutes ahead, so this is never too late
_WAIT_SECONDS = 300.0  # after an idle time like this, wait for the renewal rather than sign stale
_SEARCH_SECONDS = 5.0  # least time between two searches of the whole chain
_PATIENCE_SECONDS = 2.0  # of a call that waits for a renewal
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SIGNATURE_PARTS = re.compile(r"(Credential|Signature|[Ss]ecurity-?[Tt]oken)\s*[=:]\s*\S+")

MISSING_CREDENTIALS = (
    "no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run "
    "with a role (any value does for the sandbox)"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of AWS credentials."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class Source(Protocol):
    """What botocore's credential objects can do; they renew themselves when asked."""

    def get_frozen_credentials(self) -> Any:
        """Answer access key, secret key and token, renewed if they are about to expire."""
        ...


class Credentials:
    """The credentials of this process: found by botocore, kept at hand, looked at again in time."""

    def __init__(
        self,
        search: Callable[[], Source | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._clock = clock
        self._source: Source | None = None
        self._keys: Keys | None = None
        self._looked_at = self._searched_at = float("-inf")
        self._renewal: asyncio.Task[None] | None = None

    @property
    def keys(self) -> Keys:
        """The keys to sign with now."""
        if self._keys is None:
            raise ConfigurationError(MISSING_CREDENTIALS)
        return self._keys

    async def load(self) -> None:
        """Search the chain.

        Raises:
            ConfigurationError: it holds no credentials, or is itself wrong.
        """
        try:
            self._keys = await asyncio.to_thread(self._find)
        except _failures() as error:
            raise ConfigurationError(
                f"AWS credentials cannot be read ({type(error).__name__}: {clip(str(error))})"
            ) from error
        self._looked_at = self._searched_at = self._clock()

    async def fresh(self) -> Keys:
        """The keys to sign with; looks at them again in the background every 30 s."""
        age = self._clock() - self._looked_at
        if age > _LOOK_AGAIN_SECONDS:
            renewal = self._renew(self._freeze)
            if age > _WAIT_SECONDS:
                await asyncio.wait({renewal}, timeout=_PATIENCE_SECONDS)
        return self.keys

    async def replace(self, refused: Keys) -> bool:
        """Search the chain anew for other keys than `refused`; tells whether there are some."""
        if self.keys == refused and self._clock() - self._searched_at >= _SEARCH_SECONDS:
            self._searched_at = self._clock()
            self._renew(self._find)
        if self._renewal is not None:
            # Shared by all who wait; none of them cancels it.
            await asyncio.wait({self._renewal}, timeout=_PATIENCE_SECONDS)
        return self.keys != refused

    def _renew(self, read: Callable[[], Keys]) -> asyncio.Task[None]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._read(read))
        return self._renewal

    async def _read(self, read: Callable[[], Keys]) -> None:
        try:
            self._keys = await asyncio.to_thread(read)
        except Exception as error:  # noqa: BLE001 - top of a task
            # The old keys stay: AWS says itself when they no longer do, and mail only waits.
            logger.warning("AWS credentials could not be renewed: %s", type(error).__name__)
        finally:
            self._looked_at = self._clock()
            self._renewal = None

    def _find(self) -> Keys:
        source = self._search()
        if source is None:
            raise ConfigurationError(MISSING_CREDENTIALS)
        self._source = source
        return self._freeze()

    def _freeze(self) -> Keys:
        if self._source is None:
            return self._find()
        frozen = self._source.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)


def chain(region: str) -> Callable[[], Source | None]:
    """Make the search of botocore's chain; it reads environment and files anew each time."""

    def search() -> Source | None:
        from botocore.session import Session  # noqa: PLC0415 - cold path, see the module's docstring

        session = Session()
        session.set_config_variable("region", region)  # roles are assumed at STS of this region
        source: Source | None = session.get_credentials()
        return source

    return search


class Signer:
    """Signature V4 for one service in one region."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        service: str,
        region: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._service = service
        self._region = region
        self._clock = clock
        self._second = -1
        self._stamp = ""
        self._day = ""
        self._signed_with: Keys | None = None
        self._mac = hmac.new(b"", digestmod="sha256")

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """All headers of the request, `Host` among them, so that what is signed is what is sent."""
        keys = self._credentials.keys
        stamp = self._now()
        signed = {"Host": _target(url)[0], **headers, "X-Amz-Date": stamp}
        if keys.token:
            signed["X-Amz-Security-Token"] = keys.token
        start, names = _canonical(method, url, tuple(signed.items()))
        request = start + (headers.get(CONTENT_DIGEST) or sha256(body).hexdigest())
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        digest = sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        mac = self._keyed(stamp[:8], keys).copy()
        mac.update(text.encode())
        signed["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={mac.hexdigest()}"
        )
        return signed

    def _now(self) -> str:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return self._stamp

    def _keyed(self, day: str, keys: Keys) -> hmac.HMAC:
        """The signing key of the day, ready to be copied.

        `hmac.digest` would let go of the interpreter's lock, which then has to be won back from the
        other threads of a dispatcher.
        """
        if self._day != day or self._signed_with != keys:
            key = f"AWS4{keys.secret_key}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._mac = hmac.new(key, digestmod="sha256")
            self._day, self._signed_with = day, keys
        return self._mac


@lru_cache(maxsize=64)
def _canonical(method: str, url: str, headers: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """The canonical request up to the body's digest, and the names of the signed headers.

    Requests of one second to one place differ in their bodies only.
    """
    _, path, query = _target(url)
    pairs = sorted((name.lower(), " ".join(value.split())) for name, value in headers)
    lines = "".join(f"{name}:{value}\n" for name, value in pairs)
    names = ";".join(name for name, _ in pairs)
    return f"{method}\n{path}\n{query}\n{lines}\n{names}\n", names


@lru_cache(maxsize=64)
def _target(url: str) -> tuple[str, str, str]:
    """Host, path and query of a URL as Signature V4 writes them."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    pairs = sorted(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
    query = "&".join(f"{name}={value}" for name, value in pairs)
    return host, quote(parts.path or "/", safe="/~"), query


class Service:
    """One AWS service at one endpoint: sign, exchange, and once again with newer credentials."""

    def __init__(
        self, transport: Transport, credentials: Credentials, *, name: str, signer: Signer, url: str
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self._transport = transport
        self._credentials = credentials
        self._signer = signer

    async def post(
        self, operation: str, path: str, *, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Response:
        """Exchange one signed POST for its answer, whatever its status.

        Raises:
            NotSent: nothing of it can have been acted on.
            MaybeSent: it may have been acted on.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        keys = await self._credentials.fresh()
        response = await self._exchange(path, headers, body, timeout)
        if response.status not in _REFUSED_STATUSES:
            return response
        code, _ = parse_error(self.name, operation, response)
        # Refused for its credentials, a request was not acted on: asking again is no duplicate.
        if code in CREDENTIAL_CODES and await self._credentials.replace(keys):
            return await self._exchange(path, headers, body, deadline - loop.time())
        return response

    async def _exchange(
        self, path: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Response:
        url = self.url + path
        signed = self._signer.sign("POST", url, headers, body)
        return await self._transport.request(
            "POST", url, headers=signed, body=body, timeout=timeout
        )


async def open_service(
    name: str,
    *,
    signing_name: str,
    region: str,
    endpoint_url: str | None,
    transport: Transport,
    credentials: Credentials,
) -> Service:
    """Resolve the service's endpoint and read its model, so that the first error costs no time."""
    url = await asyncio.to_thread(endpoint, name, region=region, endpoint_url=endpoint_url)
    await asyncio.to_thread(_error_parser, name)
    signer = Signer(credentials, service=signing_name, region=region)
    return Service(transport, credentials, name=name, signer=signer, url=url)


async def find_credentials(region: str) -> Credentials:
    """The credentials of this process, loaded.

    Raises:
        ConfigurationError: there are none; the text says what to set.
    """
    credentials = Credentials(chain(region))
    await credentials.load()
    return credentials


def endpoint(service: str, *, region: str, endpoint_url: str | None = None) -> str:
    """Where botocore would send a call; honours `AWS_ENDPOINT_URL` and its kin. Blocks.

    Raises:
        ConfigurationError: region or URL make no sense to botocore.
    """
    from botocore import UNSIGNED  # noqa: PLC0415 - cold path
    from botocore.config import Config  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    try:
        client = Session().create_client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=Config(signature_version=UNSIGNED),  # so that it does not search for credentials
        )
    except _failures() as error:
        raise ConfigurationError(
            f"AWS {service}: no endpoint in region {region!r} ({clip(str(error))}); "
            "check AWS_REGION and the endpoint URL"
        ) from error
    url: str = client.meta.endpoint_url
    client.close()
    return url


def parse_error(service: str, operation: str, response: Response) -> tuple[str, str]:
    """Code and text of an answer that is an error; the status where it says nothing readable."""
    from botocore.awsrequest import HeadersDict  # noqa: PLC0415 - error path
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    parser, model = _error_parser(service)
    answer = {
        "status_code": response.status,
        "headers": HeadersDict(response.headers),
        "body": response.body,
    }
    try:
        error = parser.parse(answer, model.operation_model(operation).output_shape)["Error"]
        code = str(error.get("QueryErrorCode") or error.get("Code") or response.status)
        text = str(error.get("Message") or "")
    except (ResponseParserError, AttributeError, KeyError, TypeError, ValueError):
        # Not the service's own words (a proxy's page, perhaps): the status has to do.
        return str(response.status), ""
    return code, _without_secrets(text)


def _without_secrets(text: str) -> str:
    """The first line: a refused signature comes with the whole request, session token included."""
    first = text.strip().partition("\n")[0]
    return clip(_SIGNATURE_PARTS.sub(r"\1=…", first))


@cache
def _error_parser(service: str) -> tuple[Any, Any]:
    from botocore.parsers import create_parser  # noqa: PLC0415 - start and error path
    from botocore.session import Session  # noqa: PLC0415

    # At DEBUG it logs whole answers, which may repeat a token.
    logging.getLogger("botocore.parsers").setLevel(logging.INFO)
    model = Session().get_service_model(service)
    return create_parser(model.resolved_protocol), model


def _failures() -> tuple[type[Exception], ...]:
    """What botocore raises when configuration, files or credential services are at fault."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - cold path

    return BotoCoreError, ClientError, OSError, ValueError, KeyError
