"""All settings of both processes: `bytewax.yaml`, then the environment, into one frozen value.

Read once when a process starts; nothing else reads files or the environment. Whatever is unknown,
missing or contradictory stops the start with one line for each key that says what to do. Secrets
come from the environment only, and only the dispatcher asks for them (`provider_keys`).
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from gomail.errors import ConfigurationError
from gomail.provider_settings import KEY_VARIABLES, Part, ProviderSettings, Url, key_variable

DEFAULT_FILE = "bytewax.yaml"
PREFIX = "GOMAIL_"
FILE_VARIABLE = "GOMAIL_CONFIG"

# What must be left of the visibility when a send begins, beyond the send itself (design, "Time in
# hand"): the outcome has to be settled before SQS shows the message to somebody else.
SETTLING_MARGIN = 5.0

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
ProviderName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,39}$")]


LEDGER_PASSWORD_VARIABLE = "LEDGER_PASSWORD"  # noqa: S105 - the name of a variable, no secret
"""Where the password of a ledger that has one is found."""


def _ledger_url(value: str) -> str:
    scheme, _, rest = value.partition(":")
    url = urlsplit(value)
    if not value:
        return value
    if scheme == "sqlite" and rest and not rest.startswith("//"):
        return value
    if scheme not in {"redis", "rediss"} or not url.hostname:
        raise ValueError(
            "names no ledger; write sqlite:PATH, redis://HOST:PORT/NUMBER (rediss: with TLS), or "
            "nothing for none"
        )
    if url.password is not None:
        raise ValueError(f"holds a password; set it as {LEDGER_PASSWORD_VARIABLE} instead")
    return value


LedgerUrl = Annotated[str, AfterValidator(_ledger_url)]


class QueueSettings(Part):
    """The SQS queues between the API and the dispatcher."""

    urls: list[Url] = Field(
        min_length=1, description="URLs of the queues. The API spreads mail over all of them."
    )
    dead_letter: Url = Field(
        description="URL of the dead-letter queue: what nobody can send goes there with the reason."
    )
    shards: Count = Field(
        default=1,
        le=64,
        description="Partitions a queue. More than one lets several workers of one Bytewax cluster "
        "read the same queue; independent processes do not need it.",
    )
    retired: list[str] = Field(
        default_factory=list,
        description="Former queue URLs (or `URL#shard`) that a flow resumed with `-r` still knows. "
        "They are not read.",
    )
    endpoint_url: Url | None = Field(
        default=None, description="Another SQS endpoint, for example the sandbox's."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for url in self.urls:
            if self.urls.count(url) > 1:
                raise ValueError(f"urls: {url} is listed twice; list each queue once")
        if self.dead_letter in self.urls:
            raise ValueError(
                "dead_letter: is also one of the queues; give dead letters a queue of their own"
            )
        if both := set(self.retired) & set(self.urls):
            raise ValueError(
                f"retired: {min(both)} is also in urls; take it out of one of the two lists"
            )
        return self


class IngestSettings(Part):
    """The HTTP API."""

    max_body_bytes: Count = Field(
        default=204_800,
        le=1_048_576,
        description="Largest request body in bytes, attachments not counted.",
    )
    max_attachment_bytes: Annotated[int, Field(ge=0, le=20 * 1_048_576)] = Field(
        default=10 * 1_048_576,
        description="Most bytes of all attachments of one email together, before base64. A request "
        "may be larger than max_body_bytes by its attachments only.",
    )
    enqueue_timeout: Seconds = Field(
        default=5.0, description="Seconds to get a message onto some queue before a 503."
    )
    allowed_origins: list[str] = Field(
        default_factory=list,
        description='Browser origins that may call the API from elsewhere (CORS); `["*"]` for all.',
    )
    keys_file: str = Field(
        default="keys.json",
        description="File of the API keys that `gomail keys` writes; read again when it changes. "
        "While it lists no key, or is not there, or is not named (empty), only clients on this "
        "machine are served.",
    )
    web_client: str = Field(
        default="web/dist",
        description="Folder of the built web client, served at `/`; empty serves none.",
    )


class DispatchSettings(Part):
    """The dataflow that sends."""

    visibility_timeout: Annotated[int, Field(ge=1, le=43_200)] = Field(
        default=60,
        description="Seconds a received message stays hidden from other workers. At least "
        "2 × send_timeout + 10.",
    )
    send_timeout: Seconds = Field(
        default=10.0, description="Seconds one attempt at a provider may take, connecting included."
    )
    max_in_flight: Annotated[int, Field(ge=16, le=10_000)] = Field(
        default=256,
        description="Most messages in hand for one provider in one process, divided among its "
        "workers. What an unhealthy or paused provider does not use, the others may.",
    )
    max_receivers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=16, description="Most receive calls open at once for one partition."
    )
    receive_pause: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.01,
        description="Seconds by which a receive may be put off where messages come so quickly that "
        "it then brings several: fewer SQS requests, a little later. 0: never.",
    )
    max_body_bytes_in_hand: Annotated[int, Field(ge=16 * 1_048_576)] = Field(
        default=64 * 1_048_576, description="Bytes of all bodies in hand in one process."
    )
    give_up_after: Seconds = Field(
        default=86_400.0,
        description="Age in seconds (since it was put on its queue) at which a message that nobody "
        "accepted goes to the dead-letter queue.",
    )
    drain_timeout: Seconds = Field(
        default=15.0,
        description="Seconds a stopping process waits for sends under way. At least "
        "send_timeout + 2.",
    )
    metrics_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        default=0,
        description="Port at which this process serves its Prometheus metrics (`/metrics`); 0: "
        "none. Several processes of one machine need one each, best by the environment.",
    )
    metrics_host: str = Field(
        default="127.0.0.1",
        pattern=r"^[A-Za-z0-9.:_-]{1,253}$",
        description="Address it listens at; another than a loopback one serves whoever reaches it.",
    )
    on_unknown: Literal["retry", "dead-letter"] = Field(
        default="retry",
        description="After an attempt whose outcome nobody knows: `retry` elsewhere (it may arrive "
        "twice) or `dead-letter` (it may not arrive).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        least = 2 * self.send_timeout + 2 * SETTLING_MARGIN
        if self.visibility_timeout < least:
            raise ValueError(
                f"visibility_timeout: {self.visibility_timeout} s is too short for send_timeout "
                f"{self.send_timeout:g} s; set it to {least:g} or more, or lower send_timeout"
            )
        if self.drain_timeout < self.send_timeout + 2:
            raise ValueError(
                f"drain_timeout: {self.drain_timeout:g} s is too short for send_timeout "
                f"{self.send_timeout:g} s; set it to {self.send_timeout + 2:g} or more, or lower "
                "send_timeout"
            )
        return self


class HealthSettings(Part):
    """When a provider counts as unhealthy, and when as healthy again."""

    failure_ratio: Ratio = Field(
        default=0.5,
        description="A round fails when more than this share of it failed; 0: any failure.",
    )
    unhealthy_threshold: Annotated[int, Field(ge=0)] = Field(
        default=2, description="More failing rounds in a row than this: unhealthy."
    )
    healthy_threshold: Annotated[int, Field(ge=0)] = Field(
        default=6, description="More good probes in a row than this: healthy again."
    )
    round_size: Count = Field(default=10, description="Outcomes that close a round.")
    round_seconds: Seconds = Field(
        default=1.0, description="Seconds after its first outcome at which a round closes anyway."
    )
    least_failures: Count = Field(
        default=10,
        description="Failures that those rounds must hold together, unless failure_ratio is 0. It "
        "keeps a provider that fails now and then healthy where little mail is sent, and a round "
        "is one email.",
    )
    probe_interval: Seconds = Field(
        default=1.0,
        description="Seconds between two probes of an unhealthy provider, ± 20 %, a worker.",
    )
    ramp: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=60.0,
        description="Seconds in which a provider that is healthy again comes back to its share.",
    )
    slow_after: Seconds = Field(
        default=3.0, description="Seconds after which a send counts as slow."
    )
    slow_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2,
        description="A provider of whose recent sends more than this part was slow gets a tenth of "
        "its share, unless all are slow.",
    )
    alert_after: Seconds = Field(
        default=300.0,
        description="Seconds for which others may cover for an unhealthy provider before the log, "
        "a metric and `GET /stats` give an alert.",
    )


class LedgerSettings(Part):
    """What became of each email, kept for whoever asks. Mail never waits for it."""

    url: LedgerUrl = Field(
        default="sqlite:var/ledger.db",
        description="Where it is kept: `sqlite:PATH` (one machine: all processes share the file) "
        "or `redis://HOST:PORT/NUMBER` (many machines; `rediss:` with TLS; its password, if any, "
        f"comes from `{LEDGER_PASSWORD_VARIABLE}`). Empty keeps none.",
    )
    retention_days: Annotated[float, Field(gt=0, le=3_650)] = Field(
        default=30.0, description="Days after which an email is forgotten."
    )
    patience: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.05,
        description="Seconds (at most 5) for which mail waits for the ledger, then it goes on "
        "without.",
    )
    spool: str = Field(
        default="var/spool",
        description="Folder for what a ledger that is down has yet to be told, so that a process "
        "that ends meanwhile leaves it to the next one on its machine. Empty keeps it in memory.",
    )


class PayloadSettings(Part):
    """Where emails go that are too large for a queue: an S3 bucket."""

    bucket: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$",
        description="Name of the S3 bucket. Empty keeps none: an email must then fit a queue.",
    )
    prefix: str = Field(
        default="gomail/",
        pattern=r"^[A-Za-z0-9_./-]{0,200}$",
        description="What the names of all objects begin with.",
    )
    endpoint_url: Url | None = Field(
        default=None, description="Another S3 endpoint, for example the sandbox's."
    )
    keep_days: Annotated[float, Field(gt=0, le=3_650)] = Field(
        default=60.0,
        description="Days after which an object that nobody removed is swept. Longer than a "
        "schedule (30 days), the queue's and the dead-letter queue's retention (14 days each).",
    )


class AwsSettings(Part):
    """Amazon Web Services; credentials come from where boto3 finds them."""

    region: str = Field(
        default="",
        description="Region of the queues, and of SES where it names none. Usually from "
        "`AWS_REGION`.",
    )


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    queues: QueueSettings
    providers: dict[ProviderName, ProviderSettings] = Field(
        min_length=1,
        description="The ways out, by name. The name is the kind unless `kind` says otherwise: "
        "several of one kind, such as SES in two regions, have names of their own.",
    )
    aws: AwsSettings = AwsSettings()
    ingest: IngestSettings = IngestSettings()
    dispatch: DispatchSettings = DispatchSettings()
    health: HealthSettings = HealthSettings()
    ledger: LedgerSettings = LedgerSettings()
    payloads: PayloadSettings = PayloadSettings()
    transport: Literal["aiohttp", "fast"] = Field(
        default="fast",
        description="The HTTP client: `fast`, one of our own, or `aiohttp`, which is widely used, "
        "at five times its CPU. Neither goes through a proxy: HTTP_PROXY and HTTPS_PROXY are not "
        "read.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="Least severity that is logged. `DEBUG` is for gomail's own lines: libraries, "
        "which may log secrets at it, log from `INFO` on.",
    )
    log_format: Literal["text", "json"] = Field(
        default="text",
        description="`text` for people, or `json`: a JSON object a line with `time`, `level`, "
        "`logger`, `message` and perhaps `exception`. From INFO on neither holds an email address, "
        "only its domain.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_is_kind(cls, data: Any) -> Any:
        providers = data.get("providers") if isinstance(data, dict) else None
        if not isinstance(providers, dict):
            return data
        named = {
            name: {"kind": name, **(given or {})} if isinstance(given, dict | None) else given
            for name, given in providers.items()
        }
        return {**data, "providers": named}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class fixes the signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The constructor's arguments alone: `load` merges file and environment."""
        return (init_settings,)


def load(path: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the file (`GOMAIL_CONFIG`, else `bytewax.yaml`) and the environment.

    Raises:
        ConfigurationError: one line for each key that is unknown, missing or wrong.
    """
    env = os.environ if environ is None else environ
    file = Path(path or env.get(FILE_VARIABLE) or DEFAULT_FILE)
    given = _merged(_read(file), _overrides(env))
    given["aws"] = _with_region(given.get("aws"), env)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        # Not chained: pydantic's own text quotes what was given, which may be a secret.
        raise ConfigurationError(_explain(error, file, env)) from None
    if unknown := _unknown_variables(env):
        raise ConfigurationError(
            "\n".join(
                f"environment: {name} is no setting; see docs/configuration.md" for name in unknown
            )
        )
    if not settings.aws.region:
        raise ConfigurationError(f"{file}: aws.region is missing; set AWS_REGION")
    return settings


def provider_keys(
    settings: Settings, environ: Mapping[str, str] | None = None
) -> dict[str, SecretStr]:
    """The key of every provider that needs one, by the provider's name.

    Raises:
        ConfigurationError: a provider without its key.
    """
    env = os.environ if environ is None else environ
    wanted = {
        name: variable
        for name, provider in settings.providers.items()
        if (variable := key_variable(provider))
    }
    missing = [
        f"providers.{name} has no key; set {variable} in the environment, or remove the provider"
        for name, variable in wanted.items()
        if not env.get(variable)
    ]
    if missing:
        raise ConfigurationError("\n".join(missing))
    return {name: SecretStr(env[variable]) for name, variable in wanted.items()}


def ledger_password(environ: Mapping[str, str] | None = None) -> SecretStr | None:
    """The password of the ledger, if there is one."""
    env = os.environ if environ is None else environ
    given = env.get(LEDGER_PASSWORD_VARIABLE)
    return SecretStr(given) if given else None


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror}); create it, or name another file in "
            f"{FILE_VARIABLE}"
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is no UTF-8 text; save it as UTF-8") from None
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        # Neither its text nor its chain: they quote the line, which may hold a secret.
        raise ConfigurationError(f"{file}: is no YAML{_position(error)}") from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ConfigurationError(f"{file}: must hold keys such as `queues:` at its top level")
    return {str(key): value for key, value in given.items()}


class _Environment(EnvSettingsSource):
    """The settings that an environment holds, whichever mapping it is."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._environ.items()}


def _overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        return _Environment(environ)()
    except SettingsError as error:
        raise ConfigurationError(
            f"environment: {error}; lists and mappings are written as JSON"
        ) from None


def _merged(file: Mapping[str, Any], environment: Mapping[str, Any]) -> dict[str, Any]:
    """Both, key by key; the environment wins."""
    merged = dict(file)
    for key, value in environment.items():
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(below, value)
        else:
            merged[key] = value
    return merged


def _with_region(aws: object, env: Mapping[str, str]) -> object:
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    if aws is None and region:
        return {"region": region}
    if isinstance(aws, dict) and not aws.get("region") and region:
        return {**aws, "region": region}
    return aws or {}


def _unknown_variables(env: Mapping[str, str]) -> list[str]:
    known = {FILE_VARIABLE.casefold()}
    for name in Settings.model_fields:
        known.add(f"{PREFIX}{name}".casefold())
    prefixes = tuple(f"{name}__" for name in known)
    return sorted(
        name
        for name in env
        if name.startswith(PREFIX)
        and name.casefold() not in known
        and not name.casefold().startswith(prefixes)
    )


def _explain(error: ValidationError, file: Path, env: Mapping[str, str]) -> str:
    return "\n".join(
        f"{_source(fault['loc'], file, env)}: {_sentence(fault)}" for fault in error.errors()
    )


def _source(location: Iterable[int | str], file: Path, env: Mapping[str, str]) -> str:
    """The variable that a value came from, else the file."""
    wanted = _dotted(location).replace(".", "__")
    names = {name.removeprefix(PREFIX).casefold(): name for name in env if name.startswith(PREFIX)}
    return names.get(wanted.casefold(), str(file))


def _position(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _sentence(fault: Any) -> str:
    key = _dotted(fault["loc"])
    match fault["type"]:
        case "extra_forbidden":
            return f"{key} is no setting; see docs/configuration.md{_secret_hint(key)}"
        case "missing":
            return f"{key} is missing; see docs/configuration.md"
        case "union_tag_invalid":
            kinds = fault["ctx"]["expected_tags"]
            return f"{key}: kind {fault['ctx']['tag']!r} is not known; use one of {kinds}"
        case "value_error":
            text = str(fault["ctx"]["error"])
            # A sentence that starts with a key of its own ("urls: …") continues the path.
            head, colon, _ = text.partition(":")
            return f"{key}.{text}" if colon and head.isidentifier() else f"{key} {text}"
        case _:
            message = fault["msg"][:1].lower() + fault["msg"][1:]
            return f"{key}: {message}{_given(fault['input'])}"


def _given(value: object) -> str:
    """What was given, unless it is a text: that may be a secret in the wrong place."""
    return f" (got {value!r})" if isinstance(value, int | float) else ""


def _secret_hint(key: str) -> str:
    if not any(word in key.lower() for word in ("key", "secret", "token", "password")):
        return ""
    return "; secrets come from the environment: " + ", ".join(
        [*sorted(KEY_VARIABLES.values()), LEDGER_PASSWORD_VARIABLE]
    )


def _dotted(location: Iterable[int | str]) -> str:
    """`providers.ses.weight` from pydantic's location, which names the union's member too."""
    parts = [str(part) for part in location]
    if parts[:1] == ["providers"] and len(parts) > 2:  # noqa: PLR2004 - providers, name, kind, …
        del parts[2]
    return ".".join(parts)
