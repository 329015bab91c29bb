"""What every payload store does, told by the sandbox and by moto."""

import time

import pytest

from gomail.payloads import PayloadMissing

KEY = "gomail/019aa5f2-7c00-7000-8000-000000000001"
LARGE = bytes(range(256)) * 4 * 1024 * 28
"""28 MiB: 20 MiB of attachments in base64, and texts."""
LATER = time.time() + 3600


def test_what_is_put_is_what_is_got(store):
    async def scenario(payloads):
        await payloads.put(KEY, LARGE, timeout=20)
        return await payloads.get(KEY, timeout=20)

    assert store(scenario) == LARGE


def test_a_key_that_exists_is_overwritten(store):
    async def scenario(payloads):
        await payloads.put(KEY, b"one", timeout=10)
        await payloads.put(KEY, b"two", timeout=10)
        return await payloads.get(KEY, timeout=10)

    assert store(scenario) == b"two"


def test_nothing_is_something_too(store):
    async def scenario(payloads):
        await payloads.put(KEY, b"", timeout=10)
        return await payloads.get(KEY, timeout=10)

    assert store(scenario) == b""


def test_what_was_never_put_is_missing(store):
    async def scenario(payloads):
        await payloads.put(KEY, b"x", timeout=10)
        await payloads.get(KEY[:-1] + "2", timeout=10)

    with pytest.raises(PayloadMissing):
        store(scenario)


def test_what_was_removed_is_missing_and_may_be_removed_again(store):
    async def scenario(payloads):
        await payloads.put(KEY, b"x", timeout=10)
        await payloads.remove(KEY, timeout=10)
        await payloads.remove(KEY, timeout=10)
        await payloads.get(KEY, timeout=10)

    with pytest.raises(PayloadMissing):
        store(scenario)


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a?b", "é", "a%2Fb"]
)
def test_a_key_that_no_payload_has_is_neither_kept_nor_asked_for(store, key):
    async def scenario(payloads):
        with pytest.raises(ValueError, match="no key of a payload"):
            await payloads.put(key, b"x", timeout=10)
        await payloads.remove(key, timeout=10)
        with pytest.raises(PayloadMissing):
            await payloads.get(key, timeout=10)

    store(scenario)


def test_a_sweep_forgets_what_was_written_before_and_keeps_other_prefixes(store):
    async def scenario(payloads):
        await payloads.put(KEY, b"x", timeout=10)
        await payloads.put("other/1", b"y", timeout=10)
        swept = await payloads.sweep(LATER, limit=100)
        with pytest.raises(PayloadMissing):
            await payloads.get(KEY, timeout=10)
        return swept, await payloads.get("other/1", timeout=10)

    assert store(scenario) == (1, b"y")


def test_a_sweep_keeps_what_was_written_since(store):
    async def scenario(payloads):
        await payloads.put(KEY, b"x", timeout=10)
        swept = await payloads.sweep(time.time() - 3600, limit=100)
        return swept, await payloads.get(KEY, timeout=10)

    assert store(scenario) == (0, b"x")


def test_a_sweep_takes_the_oldest_and_no_more_than_it_may(store):
    async def scenario(payloads):
        for number in range(5):
            await payloads.put(f"gomail/{number}", b"x", timeout=10)
        swept = await payloads.sweep(LATER, limit=2)
        await payloads.get("gomail/2", timeout=10)
        return swept, await payloads.sweep(LATER, limit=100)

    assert store(scenario) == (2, 3)


def test_a_sweep_reads_page_after_page(store, monkeypatch):
    monkeypatch.setattr("gomail.payloads.s3._PAGE", 2)

    async def scenario(payloads):
        for number in range(5):
            await payloads.put(f"gomail/{number}", b"x", timeout=10)
        return await payloads.sweep(LATER, limit=100), await payloads.sweep(LATER, limit=100)

    assert store(scenario) == (5, 0)
