"""JSON types of an email's fields: what a field holds, or an error that names it. Pure.

`null` is as good as a field left out. `where` is the dotted name of the object that has the field.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class NotAnEmail(ValueError):
    """The JSON has not the shape of a request: a wrong type somewhere."""


def text(given: Mapping[str, Any], name: str, where: str = "") -> str:
    """The text at `name`; empty where there is none."""
    value = given.get(name, "")
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return typed(value, str, _dotted(where, name), "a string")


def number(given: Mapping[str, Any], name: str, where: str) -> int:
    """The whole number at `name`, which has to be there and is 0 or more."""
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise NotAnEmail(f"email.{where}.{name} is not a number")
    return value


def array(given: Mapping[str, Any], name: str, where: str = "") -> list[Any]:
    """The list at `name`."""
    value = given.get(name)
    return [] if value is None else typed(value, list, _dotted(where, name), "an array")


def pairs(given: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    """Names and texts of the object at `name`."""
    value = given.get(name)
    found = {} if value is None else typed(value, dict, name, "an object")
    return tuple((key, typed(one, str, f"{name}.*", "a string")) for key, one in found.items())


def typed(value: object, kind: type[T], where: str, what: str) -> T:
    """The value itself.

    Raises:
        NotAnEmail: it is not of that kind.
    """
    if not isinstance(value, kind):
        raise NotAnEmail(f"email.{where} is not {what}")
    return value


def _dotted(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
