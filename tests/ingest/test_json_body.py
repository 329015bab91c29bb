"""A key that is twice in one object is found, however it is written; no other JSON is refused."""

import json
from dataclasses import dataclass

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gomail.email import MOST_ATTACHMENTS
from gomail.email.more import MOST_HEADERS, MOST_METADATA, MOST_PROVIDERS, MOST_TAGS
from gomail.email.reading import PLAIN
from ingest import answers, json_body
from ingest.batch import MOST


@dataclass(frozen=True)
class Pairs:
    """An object of JSON, which may have a key twice."""

    pairs: tuple


# What could be taken for something else when colons are counted.
TEXTS = st.text(st.sampled_from('a:"\\ \n/é🙂{},[]u0') | st.characters(codec="utf-8"), max_size=6)
KEYS = st.sampled_from(["a", "A", ":", "a:", '":', '"', "\\", '\\":', ' "a" : ', "", "é"]) | TEXTS
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(tuple).map(Pairs)
    ),
    max_leaves=12,
)
BLANKS = st.sampled_from(["", "", " ", "\t", "\n", "\r\n  "])


@st.composite
def written(draw, values=VALUES):
    """A JSON text: with blanks wherever they may be, and any character as itself or an escape."""

    def blank():
        return draw(BLANKS)

    def text(value):
        return f'"{"".join(character(one) for one in value)}"'

    def character(one):
        escapes = [one] if one >= " " and one not in '"\\' else []
        units = one.encode("utf-16-be").hex()
        hexes = [units[place : place + 4] for place in range(0, len(units), 4)]
        escapes += ["".join(rf"\u{digits}" for digits in hexes)]
        escapes += ["".join(rf"\u{digits.upper()}" for digits in hexes)]
        escapes += [json.dumps(one)[1:-1]]
        escapes += [r"\/"] if one == "/" else []
        return draw(st.sampled_from(escapes))

    def value(one):
        if isinstance(one, Pairs):
            members = [f"{blank()}{text(k)}{blank()}:{value(v)}" for k, v in one.pairs]
            return f"{blank()}{{{','.join(members) or blank()}}}{blank()}"
        if isinstance(one, list):
            return f"{blank()}[{','.join(map(value, one)) or blank()}]{blank()}"
        return f"{blank()}{text(one) if isinstance(one, str) else json.dumps(one)}{blank()}"

    return value(draw(values)).encode()


def has_twins(raw):
    """Whether some object has a key twice, by a parser that shows all of them."""
    found = []

    def look(pairs):
        found.append(len({key for key, _ in pairs}) < len(pairs))
        return {}

    json.loads(raw, object_pairs_hook=look)
    return any(found)


@given(written())
@example(b'{"a":1,"a":1}')
@example(rb'{"a":1,"\u0061":1}')
@example(b'{"a" \n:1, "a"\t: 1}')
@example(b'{"a":{"a":1,"a":2},"a":3}')
@example(rb'{"b":"\u003a","a":1,"a":2}')  # as many colons as there are without the second key
@example(rb'{"b":"\u003A","a":1,"a":2}')
@example(rb'{"\u003a":0,"a":1,"a":2}')
@example(rb'{"b":"\\u003a","a":1,"a":2}')
@example(rb'{"\"":":\":","\\":":","\"a":" : "}')
@example(rb'[":", {"a:": [{"a": "x:y"}]}, {"a": "\\\":"}]')
def test_exactly_what_has_a_key_twice_is_refused(raw):
    if has_twins(raw):
        with pytest.raises(json_body.BadJSON, match=r"^The key .* is there twice$"):
            json_body.read(raw)
    else:
        assert json_body.read(raw) == orjson.loads(raw)


@given(written())
def test_where_no_colon_is_escaped_counting_alone_decides(raw):
    escaped = b"u003a" in raw.lower()

    assert escaped or (raw.count(b":") != json_body._colons(orjson.loads(raw))) == has_twins(raw)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b'{"email":{"body":"1","body":"2"}}', "body"),
        (rb'{"a":[{"\u0062ody":1,"body":2}]}', "body"),
        (b'{"":1,"":2}', ""),
        (rb'{"a\nb":1,"a\nb":2}', "a?b"),
        (b'{"%b":1,"%b":2}' % (b"x" * 200, b"x" * 200), "x" * 100),
    ],
)
def test_the_key_is_named(raw, named):
    with pytest.raises(json_body.BadJSON) as refused:
        json_body.read(raw)

    assert str(refused.value) == f'The key "{named}" is there twice'


@pytest.mark.parametrize("opening", [b"[", b'{"a":', rb'{"\u003a":', b'{"a":0,"a":'])
@pytest.mark.parametrize("depth", [99, 100, 101, 254, 255, 900, 1_000, 1_024, 1_100, 100_000])
def test_however_deep_it_is_it_is_read_or_refused(opening, depth):
    closing = b"]" if opening == b"[" else b"}"
    raw = opening * depth + b"0" + closing * depth
    try:
        json_body.read(raw)
    except json_body.BadJSON:
        assert opening == b'{"a":0,"a":' or depth > 100
    else:
        assert opening != b'{"a":0,"a":'
        assert depth <= 100


def test_what_is_read_can_be_written_and_what_is_too_deep_is_told():
    deepest = b"[" * 100 + b"]" * 100

    assert orjson.dumps(json_body.read(deepest)) == deepest
    for raw in (b"[%b]" % deepest, b'{"a":[0,{"b":%b}]}' % deepest[1:-1]):
        with pytest.raises(json_body.BadJSON, match=f"^{answers.TOO_DEEP}$"):
            json_body.read(raw)


def test_brackets_side_by_side_or_in_texts_are_not_deep():
    wide = [[{"a": "[" * 300}]] * 300

    assert json_body.read(orjson.dumps(wide)) == wide


def test_only_what_may_have_a_key_twice_is_read_twice(monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    usual = {"email": {"subject": 'Re: "your order": 7', "body": "https://example.com\n : \\"}}

    for raw in (orjson.dumps(usual), json.dumps(usual, indent=2).encode()):
        assert json_body.read(raw) == usual


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"a":1,}', b"NaN", b'{"a":"\xff"}', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_is_told_as_ever(raw):
    with pytest.raises(json_body.BadJSON, match=f"^{answers.NOT_JSON}$"):
        json_body.read(raw)


# -- more memory and time than a request may take ------------------------------------------------


def filled(part, size):
    """JSON of this many bytes: a list of a part, over and over."""
    return b"[" + b",".join([part] * (size // (len(part) + 1))) + b"]"


@pytest.mark.parametrize("part", [b"[]", b"{}", b"0", b'""', b'"a,"', b'{"a":0}', b'["\\""]'])
def test_too_many_values_are_refused_before_they_are_read(monkeypatch, part):
    monkeypatch.setattr(orjson, "loads", None)

    with pytest.raises(json_body.BadJSON, match=f"^{answers.TOO_MANY_VALUES}$"):
        json_body.read(filled(part, 2_000_000))


def test_commas_and_brackets_in_texts_are_no_values():
    texts = {"emails": [{"body": ',[{"\\' * 40_000, "html": "," * 200_000}] * 10}

    assert json_body.read(orjson.dumps(texts)) == texts


@given(st.binary(max_size=30) | st.text('a,"\\', max_size=30).map(str.encode))
def test_whatever_begins_with_a_quote_is_looked_through_once(rest):
    """Else a string without an end would be looked through from each quote in it: for seconds."""
    assert json_body._STRING.match(b'"' + rest)


def test_the_fullest_batch_has_not_too_many_values():
    people = [{"email": f"{n}@example.com", "name": "Ada"} for n in range(50)]
    file = {"filename": "a", "content": "AA==", "contentType": "a/b", "contentId": "a"}
    full = {
        **dict.fromkeys(PLAIN, "a"),
        **dict.fromkeys(("html", "sendAt", "expiresAt", "onUnknown"), "a"),
        **dict.fromkeys(("to", "replyTo"), people),
        "headers": {f"X-{n}": "7" for n in range(MOST_HEADERS)},
        "metadata": {f"m{n}": "7" for n in range(MOST_METADATA)},
        "tags": ["a"] * MOST_TAGS,
        "attachments": [file] * MOST_ATTACHMENTS,
        "listUnsubscribe": {"url": "a", "mailto": "b"},
        "provider": {"only": ["a"] * MOST_PROVIDERS, "exclude": ["b"] * MOST_PROVIDERS},
    }
    given = {"validation": "strict", "emails": [full] * MOST}

    assert json_body.read(orjson.dumps(given)) == given
