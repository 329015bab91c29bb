"""ElasticMQ as a process of its own: Maven brings it once, Java runs it, nothing is kept.

Maven keeps the files in its own cache; only the list of them is kept here, for as long as they are
there and `pom.xml` is as it was.
"""

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
CACHE = Path(__file__).parents[3] / "var" / "elasticmq"
OLDEST_JAVA = 17

_READY = re.compile(r"bind address 127\.0\.0\.1:(\d+)")
_VERSION = re.compile(r'version "(\d+)')

Say = Callable[[str], None]


class Missing(Exception):
    """ElasticMQ cannot run on this machine; the message says why and what would help."""


@contextmanager
def serving(say: Say) -> Iterator[str]:
    """An ElasticMQ for the length of the block; its address."""
    java = _java()
    command = [java, f"-Dconfig.file={HERE / 'elasticmq.conf'}", "-Xmx512m"]
    command += ["-cp", class_path(say), "org.elasticmq.server.Main"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            port = _port(process)
            # Nobody needs what else it says, but a full pipe would stop it.
            rest = Thread(target=process.stdout.read)
            rest.start()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
        rest.join()


def class_path(say: Say) -> str:
    """ElasticMQ's files and those it needs, as Java wants to be told them."""
    known = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if known.exists() and all(Path(file).exists() for file in known.read_text().split(":")):
        return known.read_text()
    CACHE.mkdir(parents=True, exist_ok=True)
    _resolve(known, say)
    return known.read_text()


def _resolve(target: Path, say: Say) -> None:
    """Have Maven download what is missing and write the list."""
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("no Maven on this machine to bring ElasticMQ (Debian: apt install maven)")
    began = time.monotonic()
    say("ElasticMQ: Maven downloads it, about 40 MB, once ...")
    # Another session may do the same at this moment: each writes a file of its own and moves it.
    own = target.with_suffix(f".{time.time_ns()}")
    told = subprocess.run(
        [maven, "-B", "-q", "-f", POM, "dependency:build-classpath", f"-Dmdep.outputFile={own}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if told.returncode:
        why = told.stdout.partition("[ERROR] ")[2].partition("\n")[0] or told.stdout
        raise Missing(f"Maven does not bring ElasticMQ; it wants the network once: {why}")
    own.replace(target)
    say(f"ElasticMQ: there after {time.monotonic() - began:.0f} s")


def _java() -> str:
    program = shutil.which("java")
    if program is None:
        raise Missing(
            f"no Java {OLDEST_JAVA} or later on this machine to run ElasticMQ "
            "(Debian: apt install default-jre-headless)"
        )
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    version = _VERSION.search(told.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise Missing(
            f"ElasticMQ wants Java {OLDEST_JAVA} or later, and {program} says: "
            f"{told.stderr.strip() or 'nothing'}"
        )
    return program


def _port(process: "subprocess.Popen[str]") -> str:
    said = []
    for line in process.stdout:
        said.append(line)
        if match := _READY.search(line):
            return match[1]
    raise AssertionError(f"ElasticMQ ended before it was ready:\n{''.join(said)}")
