"""`gomail smoke` over real processes."""

import signal

from tests.local.running import ROOT, children, command


def test_it_reports_an_even_split_then_all_40_and_leaves_nothing_behind(tmp_path):
    with command("smoke", folder=tmp_path) as smoke:
        assert smoke.ends() == 0, smoke.said

    assert "accepted: sendgrid 10, ses 10\n" in smoke.said
    assert "accepted: sendgrid 30, ses 10 (SES failed " in smoke.said
    assert "each of the 40 was accepted once; queues and dead-letter queue are empty" in smoke.said
    assert smoke.said.endswith("smoke: passed\n")
    assert list(tmp_path.iterdir()) == []
    assert children(tmp_path) == {}


def test_a_dispatcher_that_cannot_start_fails_it_with_its_last_lines(tmp_path):
    for room in ("gomail", "ingest", "sandbox"):
        (tmp_path / room).symlink_to(ROOT / room)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "dispatch.py").write_text("raise SystemExit('no key today')")

    with command("smoke", folder=tmp_path, cwd=tmp_path) as smoke:
        assert smoke.ends() == 1

    assert "worker ended (1); its last lines" in smoke.said
    assert "no key today" in smoke.said
    assert smoke.said.endswith("smoke: FAILED\n")
    assert [folder.name for folder in tmp_path.glob("gomail-smoke-*/log")] == ["log"]


def test_ctrl_c_ends_it_and_is_no_success(tmp_path):
    with command("smoke", folder=tmp_path) as smoke:
        smoke.until("sandbox: ready")

        assert smoke.ends(signal.SIGINT) == 130

    assert children(tmp_path) == {}
