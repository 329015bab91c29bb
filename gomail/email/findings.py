"""What is found wrong with an email while it is read: the first sentence at each field. Pure."""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from gomail.email.shapes import typed

T = TypeVar("T")


class Findings:
    """Collects them; `faults` has them by field, with dotted names within lists and objects."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}

    def add(self, name: str, sentence: str) -> None:
        """Note what is wrong at a field, unless something is noted there already."""
        self.faults.setdefault(name, sentence)

    def fields(self, value: object, known: Collection[str], where: str) -> dict[str, Any]:
        """The object at `where`; what it holds beyond the known fields is a fault.

        Raises:
            NotAnEmail: it is no object.
        """
        given = typed(value, dict, where, "an object")
        for name in given:
            if name not in known:
                self.add(f"{where}.{printable(name)}", f"{name} is not a field here")
        return given

    def most_of(self, given: Sequence[T], name: str, most: int, sentence: str) -> Sequence[T]:
        """As many as there may be; the sentence, with the number in it, where there are more."""
        if len(given) > most:
            self.add(name, sentence.format(most))
        return given[:most]


def printable(name: str) -> str:
    """A name from outside as it may stand in the name of a field."""
    return "".join(char if char.isprintable() else "?" for char in name[:100])
