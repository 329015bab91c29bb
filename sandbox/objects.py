"""Keeps the objects of S3 buckets: in a folder, or in memory."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX = ".object"
_LONGEST_NAME = 255  # bytes, in every file system there is


class KeyTooLong(ValueError):
    """A key that makes no file name."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object in a list."""

    key: str
    size: int
    modified: float
    """Seconds since the epoch."""


class Objects(Protocol):
    """Bytes by bucket and key. Every bucket is there as soon as something is put into it."""

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Keep them."""

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes, if there are any."""

    def remove(self, bucket: str, key: str) -> None:
        """Forget them."""

    def listed(self, bucket: str) -> Iterator[Listed]:
        """All of a bucket, in no order."""


class MemoryObjects:
    """Keeps objects as long as the process lives."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[bytes, float]] = {}

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Keep them."""
        self._kept[bucket, key] = data, time.time()

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes, if there are any."""
        found = self._kept.get((bucket, key))
        return found[0] if found else None

    def remove(self, bucket: str, key: str) -> None:
        """Forget them."""
        self._kept.pop((bucket, key), None)

    def listed(self, bucket: str) -> Iterator[Listed]:
        """All of a bucket, in no order."""
        for (where, key), (data, modified) in self._kept.items():
            if where == bucket:
                yield Listed(key, len(data), modified)


class FolderObjects:
    """Keeps each object as one file; they outlive a kill of the process.

    A key is quoted into a file name without a slash, so that none leads out of its bucket's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Keep them; whoever reads meanwhile gets the old bytes or the new ones.

        Raises:
            KeyTooLong: the file would have no name.
        """
        file = self._file(bucket, key)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.parent / f"{uuid.uuid4()}.new"
        new.write_bytes(data)
        new.replace(file)

    def get(self, bucket: str, key: str) -> bytes | None:
        """The bytes, if there are any."""
        try:
            return self._file(bucket, key).read_bytes()
        except (FileNotFoundError, KeyTooLong):
            return None

    def remove(self, bucket: str, key: str) -> None:
        """Forget them."""
        try:
            self._file(bucket, key).unlink(missing_ok=True)
        except KeyTooLong:
            return  # it was never kept

    def listed(self, bucket: str) -> Iterator[Listed]:
        """All of a bucket, in no order."""
        for file in (self._folder / bucket).glob(f"*{_SUFFIX}"):
            try:
                found = file.stat()
            except FileNotFoundError:
                continue  # removed meanwhile
            yield Listed(unquote(file.name.removesuffix(_SUFFIX)), found.st_size, found.st_mtime)

    def _file(self, bucket: str, key: str) -> Path:
        name = quote(key, safe="") + _SUFFIX
        if len(name) > _LONGEST_NAME:
            raise KeyTooLong(key)
        return self._folder / bucket / name
