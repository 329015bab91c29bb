"""Log lines, and what they must not hold."""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail import keys_file, logs
from gomail.keys import Key, Scope

SetUp = Callable[[str, str], None]

ADDRESS = "ann.o'brien+news=a/b@example.org"


def written(form: str, *args: object, level: int = logging.INFO, **given: object) -> str:
    """What a logger with our formatter writes for one call."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter(form))
    logger = logging.Logger("gomail.test", logging.DEBUG)  # noqa: LOG001 - one that nobody else has
    logger.addHandler(handler)
    logger.log(level, *args, **given)
    return stream.getvalue()


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetUp]:
    """Sets up loggers as those of a new process; afterwards they are as they were."""
    loggers = [logging.getLogger(name) for name in ("", "gomail", "ingest", "flows", "sandbox")]
    levels = [one.level for one in loggers]

    def set_up(level: str, form: str) -> None:
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        logs.set_up(level, form)

    yield set_up
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"550 <{ADDRESS}> is full", "550 <…@example.org> is full"),
        ("a@b.example,c@d.example", "…@b.example,…@d.example"),
        ("GET /emails?to=ann%40example.org", "GET …%40example.org"),
        ('"ann with spaces"@example.org', "…@example.org"),
        ("ann@relay@example.org", "…@…@example.org"),
        ("jürgen@münchen.example", "…@münchen.example"),
        ("at 5 @ home", "at 5 @ home"),
        ("no address", "no address"),
    ],
)
def test_of_an_address_only_the_domain_is_left(text: str, expected: str) -> None:
    assert logs.masked(text) == expected


@given(st.text(alphabet="abc.+='/{}!ü", min_size=1), st.text(), st.text())
def test_no_local_part_is_left_whatever_is_around_it(local: str, before: str, after: str) -> None:
    marked = f"<Q{local}Q@example.org>"

    assert f"Q{local}Q" not in logs.masked(f"{before} {marked}{after}")


@pytest.mark.parametrize("text", ["a" * 200_000, "a@" * 100_000, '"' * 200_000, '"a@' * 70_000])
def test_masking_takes_linear_time(text: str) -> None:
    began = time.process_time()

    logs.masked(text)

    assert time.process_time() - began < 1


def test_a_json_line_has_time_level_logger_and_message() -> None:
    line = json.loads(written("json", "message %s: %s", "m-1", "line\nbreak"))

    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "INFO", "logger": "gomail.test", "message": "message m-1: line\nbreak"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_is_told_without_the_address(form: str) -> None:
    try:
        raise ValueError(ADDRESS)  # noqa: TRY301
    except ValueError:
        line = written(form, "went wrong", level=logging.ERROR, exc_info=True)

    assert "ValueError" in line
    assert "brien" not in line
    assert form == "text" or "Traceback" in json.loads(line)["exception"]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.ERROR])
def test_of_an_api_key_in_an_address_only_the_id_is_left(
    form: str, level: int, tmp_path: Path
) -> None:
    made, secret = keys_file.create(Key("", "shop", "", frozenset({Scope.SEND})), tmp_path / "keys")

    line = written(form, "GET /emails?key=%s&limit=5", secret, level=level)

    assert secret.rpartition(made.id)[2].strip("_") not in line
    assert f"key=gm_{made.id}_" in line
    assert "&limit=5" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_debug_shows_addresses(form: str) -> None:
    assert ADDRESS in written(form, ADDRESS, level=logging.DEBUG)


def test_uvicorns_own_lines_take_the_same_form(
    set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "handlers", [handler])

    set_up("INFO", "json")
    record = logging.makeLogRecord(
        {"msg": "GET /emails?to=ann%40example.org", "levelname": "INFO", "levelno": 20}
    )

    assert json.loads(handler.format(record))["message"] == "GET …%40example.org"


@pytest.mark.parametrize(
    "library",
    ["botocore.parsers", "botocore.auth", "boto3", "urllib3.connectionpool", "aiohttp.client",
     "httpx", "redis", "asyncio", "one.that.comes.with.an.update"],
)  # fmt: skip
def test_at_debug_libraries_log_from_info_on_for_they_log_secrets(
    library: str, set_up: SetUp, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up("DEBUG", "text")
    logging.getLogger(library).debug("<SecretAccessKey>")
    logging.getLogger(library).info("found credentials")
    logging.getLogger("flows.steps").debug("accepted")

    said = capsys.readouterr().err
    assert "SecretAccessKey" not in said
    assert "found credentials" in said
    assert "accepted" in said


@pytest.mark.parametrize("name", ["botocore", "gomail.queue"])
def test_above_debug_everybody_logs_from_the_same_level_on(
    name: str, set_up: SetUp, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up("WARNING", "text")
    logging.getLogger(name).info("fine")
    logging.getLogger(name).warning("full")

    said = capsys.readouterr().err
    assert "fine" not in said
    assert "full" in said
