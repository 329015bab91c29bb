"""The command line: `gomail`, or `python -m gomail` in a clone.

It starts the other rooms of the house as processes and imports none of them. A fault of the person
or the machine is a sentence and exit status 1, never a traceback.
"""

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gomail import answers_page, dead_letters_cli, forget_command, keys_cli, settings_page
from gomail.errors import GomailError
from gomail.local.smoke import smoke as run_smoke
from gomail.local.up import up as run_up

app = typer.Typer(
    name="gomail",
    help="Transactional email over HTTP, a durable queue and several providers.",
    epilog="For real use: `uvicorn --factory ingest.app:create_app` and "
    "`python -m bytewax.run flows.dispatch`, as many of each as needed. See README.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(dead_letters_cli.app)
app.add_typer(keys_cli.app)
app.command()(forget_command.forget)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag
    if wanted:
        typer.echo(f"gomail {_version()}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Transactional email over HTTP, a durable queue and several providers."""


@app.command()
def up(
    api_port: Annotated[
        int, typer.Option(help="Port of the API and the form; 0: a free one.")
    ] = 8000,
    sandbox_port: Annotated[int, typer.Option(help="Port of the sandbox; 0: a free one.")] = 9324,
    folder: Annotated[
        Path, typer.Option(help="Where logs and the sandbox's mail are kept.")
    ] = Path("var"),
) -> None:
    """Run everything on this machine until Ctrl-C: sandbox, API with the web client, worker.

    No account, container or key is needed, and no email leaves the machine: queues and providers
    are the sandbox's, whatever bytewax.yaml names. Other settings are taken from there.
    """
    try:
        status = run_up(folder=folder, api_port=api_port, sandbox_port=sandbox_port)
    except GomailError as error:
        _refuse(error)
    raise typer.Exit(status)


@app.command()
def smoke() -> None:
    """Check everything once, in less than a minute.

    Sends 20 emails, breaks SES, sends 20 more, and checks that each was accepted once. It takes
    free ports and a temporary folder, so it also runs beside `gomail up`.
    """
    raise typer.Exit(run_smoke())


@app.command()
def config() -> None:
    """Show the settings that are in force, or what is wrong with them.

    Secrets are not shown, only whether they are set.
    """
    try:
        typer.echo(settings_page.effective())
    except GomailError as error:
        _refuse(error)


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")] = False,
) -> None:
    """Check every queue, provider, store and the API keys, and say what to mend.

    Asks all of them at once, in at most 15 seconds; changes nothing and sends no email. Run it
    where the processes run, with their settings and keys. Exit status: 0 when mail can flow, 1
    when something is to be mended.
    """
    from gomail.doctor import command, page  # noqa: PLC0415 - it opens what others need not load

    command.doctor(page.machine if as_json else page.text)


@app.command()
def config_page(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(settings_page.FILE),
) -> None:
    """Write docs/configuration.md, the page of all settings."""
    _write(file, settings_page.page())


@app.command("answers-page")
def write_answers_page(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(answers_page.FILE),
) -> None:
    """Write docs/answers.md, the page of what each answer of each provider means."""
    _write(file, answers_page.page())


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        _refuse(f"{file}: cannot be written ({error.strerror})")
    typer.echo(f"wrote {file}")


def _refuse(reason: object) -> NoReturn:
    typer.echo(str(reason), err=True)
    raise typer.Exit(1)


def _version() -> str:
    try:
        return metadata.version("gomail")
    except metadata.PackageNotFoundError:  # a clone: nothing is installed
        project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
        return str(project["project"]["version"])
