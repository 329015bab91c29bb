"""What the ledger has yet to be told waits in order, and outlives its process where it can."""

import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import spool
from flows.spool import Spool
from gomail.ledger import About
from tests.ledger.notes import recorded

LEDGER = "redis://ledger.example:6379/0"


def ids(records):
    return [record.id for record in records]


def numbered(*numbers):
    return [recorded(f"m-{number}") for number in numbers]


@pytest.fixture
def spooled(tmp_path):
    """A process's spool in a folder of its own."""
    made = Spool(tmp_path / "spool", ledger=LEDGER, owner="host:7:ab")
    yield made
    made.close()


def files(folder):
    return sorted(folder.glob("spool/*"))


def found(folder, ledger=LEDGER):
    """What a process that starts now would tell, by file."""
    looking = Spool(folder / "spool", ledger=ledger, owner="host:8:cd")
    return [[one for batch in left.batches(2) for one in batch] for left in looking.left_behind()]


def test_while_the_ledger_answers_there_is_no_file(spooled, tmp_path):
    assert files(tmp_path) == []
    assert (len(spooled), spooled.path, spooled.first(5)) == (0, None, [])


def test_what_is_put_comes_out_in_order_and_the_file_goes_with_the_last(spooled, tmp_path):
    spooled.put(numbered(1, 2))
    spooled.put(numbered(3))
    assert ids(spooled.first(2)) == ["m-1", "m-2"]
    spooled.drop(2)
    assert ids(spooled.first(2)) == ["m-3"]
    assert files(tmp_path) == [spooled.path]

    spooled.drop(1)

    assert files(tmp_path) == []
    spooled.put(numbered(4))
    assert ids(spooled.first(2)) == ["m-4"]


def test_only_its_owner_reads_the_file_for_it_holds_addresses(spooled, tmp_path):
    spooled.put(numbered(1))

    assert stat.S_IMODE(files(tmp_path)[0].stat().st_mode) == 0o600


def test_what_a_living_process_has_is_not_told_by_others(spooled, tmp_path):
    spooled.put(numbered(1))

    assert found(tmp_path) == []


def test_what_was_left_is_found_whole_once_its_process_is_gone(spooled, tmp_path):
    about = About(("b@example.org",), ("tag",), (("order", "7"),), 5)
    told = [recorded("m-1", about=about), recorded("m-2", "unknown"), recorded("m-3", detail="ü")]
    spooled.put(told)
    spooled.close()

    assert found(tmp_path) == [told]


def test_what_was_left_for_another_ledger_is_left_to_its_processes(spooled, tmp_path):
    spooled.put(numbered(1))
    spooled.close()

    assert found(tmp_path, ledger="redis://other.example:6379/0") == []
    assert len(found(tmp_path)) == 1


def test_while_one_tells_what_was_left_no_other_does(spooled, tmp_path):
    spooled.put(numbered(1))
    spooled.close()
    first = Spool(tmp_path / "spool", ledger=LEDGER)

    for left in first.left_behind():
        assert found(tmp_path) == []
        left.remove()

    assert found(tmp_path) == []


def test_a_surrogate_that_no_file_can_carry_is_a_question_mark(spooled, tmp_path):
    spooled.put([recorded("m-1", detail="odd \ud800")])
    spooled.close()

    assert [one.detail for left in found(tmp_path) for one in left] == ["odd ?"]


def test_without_a_folder_there_is_memory_and_then_no_room(monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 3)
    spooled = Spool(None)

    assert [spooled.put(numbered(1, 2)), spooled.put(numbered(3, 4, 5)), len(spooled)] == [0, 2, 3]
    assert ids(spooled.first(9)) == ["m-1", "m-2", "m-3"]


def test_where_the_folder_cannot_be_made_a_log_says_so_and_memory_serves(tmp_path, caplog):
    (tmp_path / "spool").write_text("a file")
    spooled = Spool(tmp_path / "spool", ledger=LEDGER)

    assert spooled.put(numbered(1)) + spooled.put(numbered(2)) == 0

    assert ids(spooled.first(9)) == ["m-1", "m-2"]
    assert spooled.path is None
    assert caplog.text.count("end with this process") == 1


def test_a_file_that_has_grown_too_large_takes_no_more_until_all_is_told(
    spooled, monkeypatch, caplog
):
    monkeypatch.setattr(spool, "MOST_IN_FILE", 1_000)
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 3)

    missing = [spooled.put(numbered(number)) for number in range(6)]

    assert missing == [0, 0, 0, 1, 1, 1]
    assert "grown to" in caplog.text
    spooled.drop(3)
    assert spooled.put(numbered(7)) == 0
    assert spooled.path is not None


def test_what_is_beyond_memory_is_read_though_somebody_has_removed_the_file(spooled, monkeypatch):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 2)
    spooled.put(numbered(*range(5)))
    spooled.path.unlink()

    spooled.drop(2)

    assert ids(spooled.first(9)) == ["m-2", "m-3", "m-4"]
    spooled.drop(3)
    assert len(spooled) == 0


def test_a_folder_that_cannot_be_looked_into_is_said_once(tmp_path, caplog):
    (tmp_path / "spool").write_text("a file")
    looking = Spool(tmp_path / "spool", ledger=LEDGER)

    assert [list(looking.left_behind()) for _ in range(2)] == [[], []]
    assert caplog.text.count("stay there") == 1


def test_of_an_sqlite_ledger_the_file_counts_and_not_how_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = Spool(tmp_path / "spool", ledger="sqlite:var/ledger.db")
    before.put(numbered(1))
    before.close()

    assert len(found(tmp_path, ledger=f"sqlite:{tmp_path}/var/ledger.db")) == 1
    monkeypatch.chdir("/")
    assert found(tmp_path, ledger="sqlite:var/ledger.db") == []


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.integers(0, 5)),
            st.tuples(st.just("tell"), st.integers(1, 4)),
        ),
        max_size=30,
    )
)
def test_however_little_fits_in_memory_each_comes_out_once_and_in_order(steps):
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(spool, "MOST_IN_MEMORY", 4)
        spooled = Spool(Path(folder), ledger=LEDGER)
        put, told = 0, []
        for step, count in [*steps, *[("tell", 4)] * 60]:
            if step == "put":
                assert spooled.put(numbered(*range(put, put + count))) == 0
                put += count
            else:
                batch = spooled.first(count)
                told += ids(batch)
                spooled.drop(len(batch))

        assert told == [f"m-{number}" for number in range(put)]
        assert len(spooled) == 0
        assert list(Path(folder).iterdir()) == []
