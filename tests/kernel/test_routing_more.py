"""Priorities, rates, providers that come back, slow ones, and those that recognise a repeat."""

from collections import Counter

import pytest

from gomail.exits import Manners, OutletRules
from gomail.outcome import OutcomeClass
from gomail.routing import Candidate, Router, Way
from tests.builders import candidate, outcome

NEW = candidate()
RULES = OutletRules()


def router(*, ramp=0.0, rooms=None, **rules):
    made = Router(
        rules or {"ses": RULES, "sendgrid": RULES},
        manners=Manners(ramp=ramp),
        random=lambda: 0.5,
    )
    for way in made.exits:
        way.room = rooms or way.room
    return made


def names(choices):
    return [choice.exit.name if choice.exit else None for choice in choices]


def routed(made, batch, now=0.0):
    """Where a batch goes; it is settled at once."""
    choices = made.route(batch, now)
    made.release(choice.exit.name for choice in choices if choice.exit)
    return names(choices)


def unhealthy(made, name, now=0.0):
    made.publish(name, healthy=False, verdict=made.exit(name).verdict + 1, now=now)


def recover(made, name, now):
    made.publish(name, healthy=True, verdict=made.exit(name).verdict + 1, now=now)


# -- priorities -----------------------------------------------------------------------------------


def tiers():
    return router(
        first=OutletRules(priority=1), second=OutletRules(priority=2), third=OutletRules(priority=3)
    )


def test_only_the_highest_priority_serves_while_it_has_room():
    assert set(routed(tiers(), [NEW] * 16)) == {"first"}


def test_what_the_highest_priority_has_no_room_for_goes_to_the_next():
    made = tiers()

    assert Counter(names(made.route([NEW] * 20, 0.0))) == {"first": 16, "second": 4}


@pytest.mark.parametrize("how", ["unhealthy", "paused", "cannot carry it"])
def test_the_next_priority_serves_while_the_first_cannot(how):
    made = tiers()
    if how == "unhealthy":
        unhealthy(made, "first")
    if how == "paused":
        made.note("first", outcome("throttled", retry_after=60.0), Way.SHARE, 0.0)
    eligible = {"second", "third"} if how == "cannot carry it" else None

    assert set(routed(made, [Candidate({}, eligible)] * 10)) == {"second"}


def test_a_message_that_the_first_has_failed_goes_to_the_next_one():
    assert routed(tiers(), [candidate(first="failed")]) == ["second"]
    assert routed(tiers(), [candidate(first="failed", second="failed")]) == ["third"]


def test_providers_of_one_priority_share_by_weight():
    made = router(
        rooms=200, a=OutletRules(weight=3), b=OutletRules(), spare=OutletRules(priority=2)
    )

    assert Counter(routed(made, [NEW] * 100)) == {"a": 75, "b": 25}


def test_where_all_are_ill_mail_is_split_between_all_priorities():
    made = tiers()
    for name in ("first", "second", "third"):
        unhealthy(made, name)

    assert set(routed(made, [NEW] * 9)) == {"first", "second", "third"}


# -- rates ----------------------------------------------------------------------------------------


def limited(rate=14.0, **others):
    return router(ses=OutletRules(rate=rate), **others)


def test_what_a_limited_provider_cannot_take_now_goes_to_another_that_can():
    made = limited(sendgrid=RULES)

    assert Counter(names(made.route([NEW] * 12, 0.0))) == {"sendgrid": 11, "ses": 1}


def test_alone_it_takes_what_it_may_send_within_two_seconds_each_in_its_turn():
    made = limited()
    made.exit("ses").room = 99

    choices = made.route([NEW] * 40, 0.0)

    assert names(choices) == ["ses"] * 29 + [None] * 11
    assert [one.at for one in choices[:29]] == pytest.approx([n / 14 for n in range(29)])


def test_no_more_is_received_than_its_rate_lets_out_soon():
    made = limited()

    assert made.capacity(0.0) == 14
    assert (made.allowance(10, 0, 0.0), made.allowance(10, 6, 0.0)) == (10, 0)


def test_a_provider_of_one_a_second_still_gets_its_one():
    made = limited(rate=1.0)

    assert made.capacity(0.0) == 1
    assert made.allowance(1, 0, 0.0) == 1
    assert names(made.route([NEW], 0.0)) == ["ses"]


def test_recipients_count_not_messages():
    made = limited(rate=10.0)

    choices = made.route([Candidate({}, None, 5)] * 3, 0.0)

    assert [one.at for one in choices] == pytest.approx([0, 0.5, 1.0])


def test_a_throttle_makes_a_provider_slower_after_its_pause():
    made = limited(rate=100.0)
    made.note("ses", outcome("throttled", retry_after=2.0), Way.SHARE, 0.0)

    assert made.capacity(1.9) == 0
    assert made.exit("ses").pace.rate(2.0) == pytest.approx(54)


def test_a_provider_whose_quota_is_used_up_gets_nothing():
    made = router(ses=OutletRules(quota=2), sendgrid=RULES)

    assert Counter(names(made.route([NEW] * 10, 0.0))) == {"ses": 2, "sendgrid": 8}
    assert [way.name for way in made.ready(0.0)] == ["sendgrid"]


# -- coming back ----------------------------------------------------------------------------------


def test_a_provider_that_returns_gets_a_growing_share():
    made = router(ramp=60.0, rooms=1_000)
    unhealthy(made, "ses")
    recover(made, "ses", 100.0)
    made.exit("ses").room = 200

    def share(now):
        return sum(routed(made, [NEW] * 100, now).count("ses") for _ in range(10)) / 1_000

    assert [share(100.0 + after) for after in (0, 30, 60)] == pytest.approx(
        [0.05 / 1.05, 1 / 3, 1 / 2], abs=0.01
    )
    assert made.shares(130.0)["ses"] == pytest.approx(1 / 3)


def test_alone_it_takes_all_mail_at_once():
    made = router(ramp=60.0, ses=RULES)
    unhealthy(made, "ses")
    recover(made, "ses", 100.0)

    assert routed(made, [NEW] * 10, 100.0) == ["ses"] * 10


# -- slow providers -------------------------------------------------------------------------------


def sends(made, name, *, slow, count):
    for number in range(count):
        seconds = 5.0 if number % 10 < slow * 10 else 0.05
        made.note(name, outcome("accepted"), Way.SHARE, 0.0, seconds=seconds)


def test_a_provider_that_is_often_slow_keeps_a_tenth_of_its_share():
    made = router(rooms=1_000)
    sends(made, "ses", slow=0.5, count=50)

    assert routed(made, [NEW] * 440).count("ses") == pytest.approx(40, abs=2)
    assert made.exit("ses").healthy


def test_now_and_then_a_slow_send_changes_nothing():
    made = router(rooms=1_000)
    sends(made, "ses", slow=0.1, count=100)

    assert routed(made, [NEW] * 100).count("ses") == 50


def test_nothing_changes_where_all_are_slow():
    made = router(rooms=1_000)
    for name in ("ses", "sendgrid"):
        sends(made, name, slow=1, count=50)

    assert routed(made, [NEW] * 100).count("ses") == 50


def test_a_provider_that_is_fast_again_has_its_share_back():
    made = router(rooms=1_000)
    sends(made, "ses", slow=1, count=50)
    sends(made, "ses", slow=0, count=150)

    assert routed(made, [NEW] * 100).count("ses") == 50


def test_a_few_sends_are_no_proof():
    made = router(rooms=1_000)
    sends(made, "ses", slow=1, count=19)

    assert not made.exit("ses").slow


# -- repeats --------------------------------------------------------------------------------------


def test_what_is_unknown_goes_to_the_same_provider_where_that_recognises_a_repeat():
    made = router(resend=OutletRules(idempotent=True), sendgrid=RULES)

    assert routed(made, [candidate(resend="unknown")] * 4) == ["resend"] * 4
    assert routed(made, [candidate(resend="failed")] * 2) == ["sendgrid"] * 2
    assert routed(made, [candidate(sendgrid="unknown")] * 2) == ["resend"] * 2


def test_it_goes_elsewhere_while_that_provider_is_unhealthy():
    made = router(resend=OutletRules(idempotent=True), sendgrid=RULES)
    unhealthy(made, "resend")

    assert routed(made, [candidate(resend="unknown")]) == ["sendgrid"]


def test_it_waits_for_room_there():
    made = router(resend=OutletRules(idempotent=True), sendgrid=RULES)
    made.exit("resend").in_hand = made.exit("resend").room

    assert routed(made, [Candidate({"resend": OutcomeClass.UNKNOWN})]) == [None]


def test_shares_add_up_and_show_who_serves():
    made = tiers()

    assert made.shares(0.0) == {"first": 1.0, "second": 0.0, "third": 0.0}
    unhealthy(made, "first")
    assert made.shares(0.0) == {"first": 0.0, "second": 1.0, "third": 0.0}


# -- mail that suits only some ---------------------------------------------------------------------


def only_for_ses(made, seconds=60):
    for second in range(seconds):
        routed(made, [Candidate({}, {"ses"})] * 5, float(second))


def test_room_for_mail_that_does_not_come_draws_in_others_slowly():
    made = limited(rate=5.0, sendgrid=RULES)
    assert made.allowance(10, 0, 0.0) == 10

    only_for_ses(made)

    granted = [made.allowance(10, 0, 61.0 + tick / 100) for tick in range(101)]
    assert granted.count(10) in {10, 11}
    assert set(granted) == {0, 10}


def test_it_draws_in_what_does_come():
    made = limited(rate=5.0, sendgrid=RULES)
    only_for_ses(made)

    for second in range(60):
        routed(made, [NEW] * 5, 100.0 + second)

    assert [made.allowance(10, 0, 200.0) for _ in range(3)] == [10, 10, 10]


def test_mail_behind_a_heap_that_suits_nobody_who_is_ready_is_reached():
    made = router()
    only_for_ses(made, seconds=100)
    made.note("ses", outcome("quota"), Way.SHARE, 0.0)

    assert sum(made.allowance(10, 0, tick / 100) for tick in range(1_000)) >= 900


def test_each_of_several_queues_is_read_for_a_provider_of_one_a_second():
    made = limited(rate=1.0)

    assert made.allowance(1, 0, 0.0, readers=2) == 1
    assert made.allowance(1, 1, 0.0, readers=2) == 1
    assert made.allowance(1, 2, 0.0, readers=2) == 0


# -- shares of a backlog ---------------------------------------------------------------------------


def backlog(made, times, *, count):
    """Who got how many of a backlog, where a message is settled after so many turns."""
    got, due, turn = Counter(), {}, 0
    while got.total() < count:
        turn += 1
        for name in due.pop(turn, []):
            made.note(name, outcome("accepted"), Way.SHARE, 0.0)
            made.release([name])
        while granted := made.allowance(10, 0, 0.0):
            for name in names(made.route([NEW] * granted, 0.0)):
                got[name] += 1
                due.setdefault(turn + times[name], []).append(name)
    return got


@pytest.mark.parametrize(("weight", "part"), [(1, 0.5), (3, 0.75)])
def test_shares_of_a_backlog_are_kept_though_one_settles_a_little_later(weight, part):
    made = router(ses=OutletRules(weight=weight), sendgrid=RULES)

    got = backlog(made, {"ses": 24, "sendgrid": 20}, count=20_000)

    assert got["ses"] / got.total() == pytest.approx(part, abs=0.01)


def test_a_provider_that_settles_much_later_takes_no_room_from_the_other():
    made = router()

    got = backlog(made, {"ses": 400, "sendgrid": 20}, count=20_000)

    assert made.exit("sendgrid").room == 256
    assert got["sendgrid"] > 10 * got["ses"]


# -- probes of what nobody else can take -----------------------------------------------------------


def test_a_message_that_only_the_unhealthy_one_can_carry_is_a_probe_though_it_was_tried_there():
    made = router()
    unhealthy(made, "ses")
    tried = Candidate({"ses": OutcomeClass.FAILED}, {"ses"})

    assert routed(made, [tried], 5.0) == ["ses"]
    assert routed(made, [tried] * 3, 10.0) == ["ses", None, None]


def test_one_that_a_healthy_provider_can_take_is_none():
    made = router()
    unhealthy(made, "ses")

    assert routed(made, [candidate(ses="failed")] * 2, 5.0) == ["sendgrid"] * 2
