"""Which messages SQS takes, and what it computes of them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.sqs.models import Message as MotoMessage

from sandbox.errors import Refused
from sandbox.message import attributes_md5, check_attributes, check_body, size


def text(value):
    return {"DataType": "String", "StringValue": value}


def test_the_digest_of_attributes_is_the_one_an_independent_implementation_computes():
    attributes = {"b": text("ä€"), "a.c": {"DataType": "Number", "StringValue": "7"}}
    binary = {"DataType": "Binary.png", "BinaryValue": base64.b64encode(b"\x00\xff").decode()}
    moto = MotoMessage("id", "body")
    moto.message_attributes = attributes | {"z": binary | {"BinaryValue": b"\x00\xff"}}

    assert attributes_md5(attributes | {"z": binary}) == moto.attribute_md5


@pytest.mark.parametrize("body", ["\x00", "a\x0b", "\x1f", "\x7f\ufffe", "\uffff", "a\ud800b"])
def test_forbidden_characters_are_refused(body):
    with pytest.raises(Refused) as refused:
        check_body(body)

    assert refused.value.code == "InvalidMessageContents"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), min_size=1))
def test_every_assigned_character_is_allowed(body):
    assert check_body(body + "\t\r\n\U0010ffff") == body + "\t\r\n\U0010ffff"


def test_the_size_counts_bytes_and_attributes():
    assert size("€", {"name": text("ä")}) == 3 + 4 + 6 + 2


@pytest.mark.parametrize(
    "attributes",
    [
        {"AWS.x": text("v")},
        {"amazon.x": text("v")},
        {".x": text("v")},
        {"x.": text("v")},
        {"x..y": text("v")},
        {"x y": text("v")},
        {"x": text("")},
        {"x": {"StringValue": "v"}},
        {"x": {"DataType": "Boolean", "StringValue": "v"}},
        {"x": {"DataType": "Binary", "BinaryValue": "*"}},
        {f"x{n}": text("v") for n in range(11)},
    ],
)
def test_malformed_attributes_are_refused(attributes):
    with pytest.raises(Refused):
        check_attributes(attributes)
