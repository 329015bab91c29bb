"""`gomail keys`: makes, lists and revokes API keys. The API notices within a second."""

import os
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gomail import keys, keys_file
from gomail.errors import ConfigurationError, GomailError
from gomail.keys import Key, Scope
from gomail.settings import DEFAULT_FILE, FILE_VARIABLE, load

app = typer.Typer(
    name="keys",
    help="API keys: who may call the API, and for what.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[
    Path | None, typer.Option("--file", help="The file of keys; by default ingest.keys_file.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is. Several keys may have one name.")],
    *,
    scope: Annotated[list[Scope], typer.Option(help="What it is for; give one or more.")],
    sender: Annotated[
        list[str] | None,
        typer.Option("--from", help="Address or domain it may send from; several times; else all."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Most requests a second and API process; else any number.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="Day (its first moment, UTC) or time it ends: 2027-01-31.")
    ] = None,
    file: File = None,
) -> None:
    """Make a key and show its secret, this once: only its SHA-256 is kept.

    To exchange a key, make another of the same name, give it out, then revoke the old one's id.
    """
    try:
        key = _key(name, scope, sender or [], rate, expires)
        path = _file(file)
        made, secret = keys_file.create(key, path)
    except (GomailError, ValueError) as error:
        _refuse(error)
    what = f"key {made.id} of {name}, for {', '.join(sorted(scope))}"
    typer.echo(f"{what}, is in {path}; its secret is", err=True)
    typer.echo(secret)


@app.command(name="list")
def list_keys(*, file: File = None) -> None:
    """List all keys, without their secrets, which nobody has."""
    try:
        path = _file(file)
        found = keys_file.listed(path)
    except GomailError as error:
        _refuse(error)
    if not found:
        typer.echo(f"{path}: no keys; the API serves clients on this machine only")
    now = time.time()
    for key in found:
        typer.echo(_line(key, now))


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID|NAME", help="A key, or all of one name.")],
    *,
    file: File = None,
) -> None:
    """Revoke one key by its id, or all keys of a name. They stay listed."""
    try:
        path = _file(file)
        found = keys_file.revoke(lambda key: which in (key.id, key.name), path, int(time.time()))
    except GomailError as error:
        _refuse(error)
    if not found:
        _refuse(f"{path}: no key that counts has the id or name {which!r}; see `gomail keys list`")
    ids = ", ".join(key.id for key in found)
    typer.echo(f"revoked {ids} in {path}; the API notices within a second")


def _file(given: Path | None) -> Path:
    """The whole path; says on standard error where the API would not read that file."""
    config = Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE).absolute()
    try:
        name = load().ingest.keys_file
    except ConfigurationError:
        if given is None:
            raise
        return given.absolute()  # which file the API reads nobody knows
    if not name and given is None:
        raise ConfigurationError("ingest.keys_file is empty; name a file there, or with --file")
    path = (given or Path(name)).absolute()
    if warning := elsewhere(path, name, config):
        typer.echo(warning, err=True)
    return path


def elsewhere(path: Path, name: str, config: Path) -> str:
    """Why an API that is started in its configuration's folder would not read this file.

    Args:
        path: the whole path of the file.
        name: the setting `ingest.keys_file`.
        config: the file of the configuration.

    Returns:
        A sentence; empty where it would read it.
    """
    if not name:
        return f"{path} is not read by the API: ingest.keys_file is empty"
    if path.resolve() == (config.parent / name).resolve():
        return ""
    if Path(name).is_absolute():
        return f"{path} is not read by the API: ingest.keys_file is {name}"
    return (
        f"{path} is not read by an API that is started in {config.parent}: ingest.keys_file, "
        f"{name}, is looked for where the API is started; name the whole path there"
    )


def _key(
    name: str, scopes: list[Scope], senders: list[str], rate: float | None, expires: str | None
) -> Key:
    """All of it but id and digest.

    Raises:
        ValueError: an argument is not valid.
    """
    if not keys.NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: up to 64 letters, digits and . _ -")
    now = int(time.time())
    ends = None if expires is None else keys.time_of(expires)
    if ends is not None and ends <= now:
        raise ValueError(f"--expires: {expires} is in the past")
    return Key(
        id="",
        name=name,
        digest="",
        scopes=frozenset(scopes),
        senders=frozenset(keys.sender(one) for one in senders),
        rate=keys.rate_of(rate),
        created=now,
        expires=ends,
    )


def _line(key: Key, now: float) -> str:
    parts = [key.id, key.name, ",".join(sorted(key.scopes))]
    if key.senders:
        parts.append(f"from {','.join(sorted(key.senders))}")
    if key.rate is not None:
        parts.append(f"{key.rate:g}/s")
    parts.append(f"created {keys.written(key.created)}")
    if key.revoked is not None:
        parts.append(f"revoked {keys.written(key.revoked)}")
    elif key.expires is not None:
        parts.append(f"{'expires' if key.is_live(now) else 'expired'} {keys.written(key.expires)}")
    return "  ".join(parts)


def _refuse(reason: object) -> NoReturn:
    typer.echo(str(reason), err=True)
    raise typer.Exit(1)
