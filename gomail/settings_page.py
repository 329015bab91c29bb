"""Shows the settings to people: docs/configuration.md from the model, and those in force."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gomail.provider_settings import KEY_VARIABLES, PROVIDER_KINDS, key_variable
from gomail.settings import (
    DEFAULT_FILE,
    FILE_VARIABLE,
    LEDGER_PASSWORD_VARIABLE,
    PREFIX,
    Settings,
    load,
)

FILE = "docs/configuration.md"

_HEAD = f"""# Configuration

Written by `gomail config-page` from `gomail/settings.py`; change it there.

Both processes read `{DEFAULT_FILE}` once, when they start, then the environment, which wins. What is unknown, missing or
contradictory stops the start with a line for each key. `python -m gomail config` shows what is in force.

## Environment

| variable | meaning |
|---|---|
| `{FILE_VARIABLE}` | Another file than `{DEFAULT_FILE}`. |
| `AWS_REGION` | Region of the queues and of SES, unless the file names one; `AWS_DEFAULT_REGION` does, too. |
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, … | Credentials, found where boto3 finds them: environment, profile, role. |
{{keys}}
| `{LEDGER_PASSWORD_VARIABLE}` | Password of a Redis ledger that has one. |
| `{PREFIX}<SECTION>__<KEY>` | Any key below, such as `{PREFIX}DISPATCH__SEND_TIMEOUT=5`; lists and sections as JSON. |

Another variable that begins with `{PREFIX}` stops the start: it is most likely a slip. Secrets have no key in the file.
"""  # noqa: E501 - rows of a table

_TABLE = "| key | default | meaning |\n|---|---|---|"


def page() -> str:
    """The text of docs/configuration.md."""
    keys = "\n".join(
        f"| `{variable}` | Key of a provider of kind `{kind}`, unless its `key_variable` names "
        "another. Only the dispatcher needs it. |"
        for kind, variable in sorted(KEY_VARIABLES.items())
    )
    return "\n".join([_HEAD.replace("{keys}", keys), *_sections()])


def effective() -> str:
    """The settings in force as YAML, and whether each secret is set.

    Raises:
        ConfigurationError: a line for each key at fault.
    """
    settings = load()
    text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False).rstrip()
    wanted = sorted(
        variable for provider in settings.providers.values() if (variable := key_variable(provider))
    )
    secrets = [f"# {name}: {'set' if os.environ.get(name) else 'NOT SET'}" for name in wanted]
    return "\n".join([text, *secrets])


def _sections() -> Iterator[str]:
    plain = []
    for name, field in Settings.model_fields.items():
        if name == "providers":
            yield _providers(field)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield _section(name, field.annotation)
        else:
            plain.append((name, field))
    yield _written("Top level", "", _rows("", plain))


def _providers(field: FieldInfo) -> str:
    parts = [f"## `providers`\n\n{field.description}\n"]
    for kind, model in PROVIDER_KINDS.items():
        rows = _rows(f"providers.{kind}.", model.model_fields.items())
        parts.append(_written(f"`providers.{kind}`", _doc(model), rows).replace("## ", "### ", 1))
    return "\n".join(parts)


def _section(name: str, model: type[BaseModel]) -> str:
    return _written(f"`{name}`", _doc(model), _rows(f"{name}.", model.model_fields.items()))


def _written(title: str, text: str, rows: Iterable[str]) -> str:
    return "\n".join([f"## {title}\n", *([f"{text}\n"] if text else []), _TABLE, *rows, ""])


def _rows(prefix: str, fields: Iterable[tuple[str, FieldInfo]]) -> Iterator[str]:
    for name, field in fields:
        yield f"| `{prefix}{name}` | {_default(field)} | {field.description}{_choices(field)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return "none"
    shown = f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)  # noqa: PLR2004 - where `g` turns to exponents
    return f"`{shown}`"


def _choices(field: FieldInfo) -> str:
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    return f" One of {', '.join(f'`{choice}`' for choice in choices)}." if len(choices) > 1 else ""


def _doc(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip()
