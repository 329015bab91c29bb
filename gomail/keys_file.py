"""The file of API keys: read by the API whenever it changes, written by `gomail keys`.

JSON and not YAML: a process reads it between two requests, a thousand keys in 9 ms (with PyYAML
460).
"""

import contextlib
import fcntl
import logging
import math
import os
import secrets
import stat
import string
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from gomail.errors import ConfigurationError
from gomail.keys import MARK, NONE, BadKeys, Key, Keyring, digest, parse, write

_log = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks at the file."""
LARGEST = 4 * 1_048_576
"""Bytes of a file that is read."""

_ID_LETTERS = string.ascii_lowercase + string.digits
_Seen = tuple[int, int, int]


class KeysFile:
    """The keys as the file has them, or as it last had them.

    Looks when it is asked, at most once a second: one `stat`, 2 µs. A file that cannot be read, is
    broken or is gone changes nothing, which is told once; no key ever comes to count by a mishap.
    Nor does a file that is gone bring back the time before there were keys.
    """

    def __init__(self, path: str, *, now: Callable[[], float], every: float = EVERY) -> None:
        """Read the file, if there is one; without a path there never is.

        Raises:
            ConfigurationError: there is one that cannot be used, and no last good keys.
        """
        self._path = Path(path)
        self._now = now
        self._every = every
        self._seen: _Seen | None = None
        self._told = ""
        self._keys = NONE
        self._next_look = now() + every if path else math.inf
        if not path:
            return
        try:
            self._keys, self._seen = self._read()
        except FileNotFoundError:
            pass
        except (OSError, BadKeys) as error:
            raise ConfigurationError(_sentence(self._path, error)) from None

    @property
    def keys(self) -> Keyring:
        """The keys that count now."""
        now = self._now()
        if now >= self._next_look:
            self._next_look = now + self._every
            self._look()
        return self._keys

    def _look(self) -> None:
        try:
            if _seen(os.stat(self._path)) == self._seen and not self._told:  # noqa: PTH116 - dearer
                return
            before, (self._keys, self._seen) = self._keys, self._read()
        except FileNotFoundError as error:
            if self._seen is not None:
                self._tell(error)
        except (OSError, BadKeys) as error:
            self._tell(error)
        else:
            self._told = ""
            _log.info("read %d API keys from %s", len(self._keys.keys), self._path)
            if before.keys and not self._keys.keys:
                _log.warning(
                    "%s lists no API key any more: clients on this machine are served without one; "
                    "to serve nobody, list the revoked keys",
                    self._path,
                )

    def _read(self) -> tuple[Keyring, _Seen]:
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise BadKeys(f"is larger than {LARGEST} bytes")
        keys = parse(raw)
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            _log.warning("%s can be read by others; run: chmod 600 %s", self._path, self._path)
        return keys, _seen(status)

    def _tell(self, error: Exception) -> None:
        """Say it once, until it is something else."""
        sentence = _sentence(self._path, error)
        if sentence != self._told:
            _log.error("%s; the API keys read before stay in force", sentence)
        self._told = sentence


def create(key: Key, path: Path) -> tuple[Key, str]:
    """Add a key to the file and give its secret, which is kept nowhere.

    Args:
        key: all of it but its id and its digest.
        path: the file; it is made where there is none.

    Raises:
        ConfigurationError: the file is broken, or cannot be read or written.
    """
    with _writing(path) as keys:
        taken = {one.id for one in keys}
        id_ = next(made for made in iter(_id, "") if made not in taken)
        secret = f"{MARK}_{id_}_{secrets.token_urlsafe(32)}"
        added = replace(key, id=id_, digest=digest(secret))
        keys.append(added)
    return added, secret


def revoke(which: Callable[[Key], bool], path: Path, now: int) -> list[Key]:
    """Revoke every live key of which that is true; gives those.

    Raises:
        ConfigurationError: the file is missing or broken, or cannot be written.
    """
    with _writing(path) as keys:
        found = [key for key in keys if which(key) and key.revoked is None]
        ids = {key.id for key in found}
        keys[:] = [replace(key, revoked=now) if key.id in ids else key for key in keys]
    return found


def listed(path: Path) -> tuple[Key, ...]:
    """The keys of the file; none where there is no file.

    Raises:
        ConfigurationError: it is broken or cannot be read.
    """
    return KeysFile(str(path), now=lambda: 0.0).keys.keys


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[list[Key]]:
    """The keys to change; written whole at the end, or not at all.

    One at a time: whoever changes them holds a lock on their folder.
    """
    try:
        folder = os.open(path.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(f"{path}: its folder cannot be read ({error.strerror})") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        keys = list(listed(path))
        before = write(keys)
        yield keys
        if write(keys) != before:
            _replace(path, write(keys))
        os.fsync(folder)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        os.close(folder)


def _replace(path: Path, content: bytes) -> None:
    """Put the whole of the new file in the place of the old, readable by its owner only."""
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            if target.exists():
                _keep_owner(descriptor, target)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _keep_owner(descriptor: int, old: Path) -> None:
    """Root must not take the file away from the API's user by adding a key."""
    status = old.stat()
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):  # not root: it becomes the writer's own
            os.fchown(descriptor, status.st_uid, status.st_gid)


def _id() -> str:
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(8))


def _seen(status: os.stat_result) -> _Seen:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _sentence(path: Path, error: Exception) -> str:
    match error:
        case BadKeys():
            return f"{path}: {error}; mend it, or put the last good file back"
        case FileNotFoundError():
            return f"{path}: is gone; put it back"
        case OSError():
            return f"{path}: cannot be read ({error.strerror}); let this user read it"
        case _:
            return f"{path}: {error}"
