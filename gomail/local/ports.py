"""Whether a port of this machine is free, and who holds it if not."""

import errno
import os
import socket
from pathlib import Path

from gomail.errors import GomailError

HOST = "127.0.0.1"
_LISTENS = "0A"  # TCP_LISTEN in /proc/net/tcp


class PortBusy(GomailError):
    """Somebody else listens there; the text says who and what to do."""


def must_be_free(port: int, *, option: str) -> None:
    """Refuse a port that somebody listens on; 0, any free one, always is.

    Raises:
        PortBusy: with the remedy.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortBusy(_sentence(error, port, option)) from error


def _sentence(error: OSError, port: int, option: str) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Port {port} cannot be used ({error.strerror}); choose another with {option} PORT."
    holder = _holder(port)
    stop = f"stop process {holder}, which listens there," if holder else "stop what listens there,"
    return f"Port {port} is busy: {stop} or choose another with {option} PORT (0 for a free one)."


def _holder(port: int) -> str | None:
    """`PID (command)` of who listens, where Linux lets us see it."""
    try:
        inodes = _listening(Path("/proc/net/tcp").read_text(), port)
    except OSError:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        if wanted & _open_files(process):
            return f"{process.name} ({_command(process)})"
    return None


def _listening(table: str, port: int) -> list[str]:
    """The sockets that listen on this port, from the text of /proc/net/tcp."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return [row[9] for row in rows if row[3] == _LISTENS and int(row[1].split(":")[1], 16) == port]


def _open_files(process: Path) -> set[str]:
    found = set()
    try:
        for file in (process / "fd").iterdir():
            found.add(os.readlink(file))  # noqa: PTH115 - "socket:[…]" is no path
    except OSError:  # ended meanwhile, or somebody else's
        pass
    return found


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return "ended"
    return " ".join(word for word in words if word)[:60]
