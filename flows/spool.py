"""What the ledger has yet to be told: a queue in memory, and in a file that outlives the process.

The file is made when the ledger first misses something and removed once it has been told all. Its
process holds a lock on it, which ends with the process, however that ends. A file that nobody holds
was left behind, and any process of the same ledger may tell what is in it; telling twice does no
harm. Nothing is synced: a file survives who wrote it, not a power cut of the machine.
"""

import fcntl
import fnmatch
import hashlib
import json
import logging
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter

from gomail.ledger import Recorded

log = logging.getLogger(__name__)

MOST_IN_MEMORY = 20_000
"""Records: about 10 MB."""
MOST_IN_FILE = 1 << 30
"""Bytes: some two million records."""
READ_AHEAD = 1_000
"""Records read from the file at a time: about 5 ms of the loop."""
_SUFFIX = ".jsonl"
_RECORDED = TypeAdapter(Recorded)


class Spool:
    """Records in the order in which the ledger is to be told them. One thread's.

    Without a folder, or where the file cannot be written, they are in memory alone.

    Args:
        folder: where the files of this machine's processes are; None for memory alone.
        ledger: URL of the ledger. Files of another one are left to its processes.
        owner: this process's name.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        ledger: str = "",
        owner: str = "",
    ) -> None:
        self._folder = folder
        digest = hashlib.sha256(_whole(ledger).encode()).hexdigest()[:8]
        self._ours = f"{digest}-*{_SUFFIX}"
        self._name = f"{digest}-{owner.replace('/', '-').replace(':', '-')}"
        self._made = 0
        self._head: deque[Recorded] = deque()
        self._beyond = 0
        """Records behind those in memory, which only the file has."""
        self._file: _File | None = None
        self._broken = False
        """Whether the file could not be written: until all is told no other is tried."""
        self._passed_over: set[Path] = set()

    def __len__(self) -> int:
        return len(self._head) + self._beyond

    @property
    def path(self) -> Path | None:
        """The file that has all of them; None where they are in memory alone."""
        return self._file.path if self._file and not self._broken else None

    def put(self, records: Sequence[Recorded]) -> int:
        """Queue records; how many there is no room for."""
        lines = [_line(record) for record in records]
        room = 0 if self._beyond else max(0, MOST_IN_MEMORY - len(self._head))
        self._head.extend(records[:room])
        if (file := self._written(b"".join(lines))) is None:
            return len(records[room:])
        if not self._beyond:
            file.at = file.size - sum(map(len, lines[room:]))
        self._beyond += len(lines[room:])
        return 0

    def first(self, most: int) -> list[Recorded]:
        """Up to so many, from the head of the queue."""
        if not self._head and self._beyond:
            self._read_on()
        return list(islice(self._head, most))

    def drop(self, count: int) -> None:
        """Take so many off the head: the ledger knows them. The file goes with the last."""
        for _ in range(count):
            self._head.popleft()
        if not len(self):
            self._broken = False
            if self._file is not None:
                self._file.remove()
                self._file = None

    def close(self) -> None:
        """Let go of the file: what is in it, another process may tell."""
        if self._file is not None:
            os.close(self._file.descriptor)
            self._file = None

    # -- what others have left ------------------------------------------------------------------

    def left_behind(self) -> Generator["Left"]:
        """What processes that are gone could not tell; nobody else gets it meanwhile."""
        for path in self._others():
            try:
                with _locked(path) as is_ours:
                    if is_ours:
                        yield Left(path)
            except OSError as error:
                self.pass_over(path, error.strerror or repr(error))

    def _others(self) -> list[Path]:
        if self._folder is None:
            return []
        try:
            found = {entry.name for entry in os.scandir(self._folder) if entry.is_file()}
        except FileNotFoundError:  # nothing has been late so far
            return []
        except OSError as error:
            self.pass_over(self._folder, error.strerror or repr(error))
            return []
        paths = {self._folder / name for name in fnmatch.filter(found, self._ours)}
        return sorted(paths - self._passed_over)

    def pass_over(self, path: Path, why: str) -> None:
        """Leave a file alone from now on; what is in it stays for another process, or people."""
        if path not in self._passed_over:
            log.warning("ledger: %s: %s; its states stay there", path, why)
        self._passed_over.add(path)

    # -- the file -------------------------------------------------------------------------------

    def _written(self, lines: bytes) -> "_File | None":
        """Append to the file, and make it first where there is none; None where that fails."""
        if self._folder is None or self._broken:
            return None
        try:
            if self._file is None:
                self._made += 1
                self._file = _make(self._folder / f"{self._name}-{self._made}{_SUFFIX}")
            self._file.append(lines)
        except OSError as error:  # what was queued is in memory, or counted as missing
            log.warning(
                "ledger: ledger.spool %s: %s; states that are late end with this process",
                self._folder, error.strerror,
            )  # fmt: skip
            self._broken = True
            return None
        return self._file

    def _read_on(self) -> None:
        assert self._file is not None, "only a file has more than memory"
        try:
            lines = self._file.lines(min(self._beyond, READ_AHEAD))
            self._head.extend([_record(line) for line in lines])
        except (OSError, ValueError) as error:
            lines = []
            log.warning("ledger: %s: %s", self._file.path, error)
        if not lines:  # somebody has changed the file
            log.error("ledger: %s: %d states are lost", self._file.path, self._beyond)
            self._beyond = 0
        self._file.at += sum(map(len, lines))
        self._beyond -= len(lines)


class Left:
    """A file that a process has left behind. Its lock is held while it is looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def batches(self, size: int) -> Iterator[list[Recorded]]:
        """What is in it; a line that was cut off when the process was killed is left out.

        Raises:
            OSError: it cannot be read.
            ValueError: it has a state that this gomail cannot read: a newer one has left it.
        """
        with self.path.open("rb") as file:
            while lines := list(islice(file, size)):
                yield [_record(line) for line in lines if line.endswith(b"\n")]

    def remove(self) -> None:
        """The ledger knows all of it."""
        self.path.unlink()


class _File:
    """An open file, locked, and what of it is not in memory."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.size = 0
        self.at = 0
        """Where the first record stands that is in the file only, if there is one."""

    def append(self, lines: bytes) -> None:
        if self.size + len(lines) > MOST_IN_FILE:
            raise OSError(0, f"it has grown to {self.size:,} bytes")
        if os.write(self.descriptor, lines) < len(lines):
            raise OSError(0, "it could not be written whole")
        self.size += len(lines)

    def lines(self, count: int) -> list[bytes]:
        """So many from `at` on, by the descriptor: somebody may have removed the file."""
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            file.seek(self.at)
            return list(islice(file, count))

    def remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:  # another process tells all of it again, which changes nothing
            log.warning("ledger: %s: %s", self.path, error.strerror)
        os.close(self.descriptor)


def _whole(ledger: str) -> str:
    """The URL, with the path of a file from the root on."""
    scheme, _, path = ledger.partition(":")
    return f"{scheme}:{Path(path).resolve()}" if scheme == "sqlite" else ledger


def _make(path: Path) -> _File:
    """A new file that is locked before anybody sees it. It holds addresses: only we read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_suffix(".new")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
    except OSError:  # told above
        os.close(descriptor)
        raise
    return _File(path, descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a file's lock; False where its process lives, or another one tells it just now."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # told and removed meanwhile
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield os.fstat(descriptor).st_nlink > 0
    finally:
        os.close(descriptor)


def _line(record: Recorded) -> bytes:
    """A line of JSON; a lone surrogate, which a file cannot carry, becomes a question mark."""
    return json.dumps(asdict(record), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _record(line: bytes) -> Recorded:
    return _RECORDED.validate_json(line)
