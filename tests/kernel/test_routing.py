"""Fair shares, rooms that are kept, probes that cost little, and pauses that are observed."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gomail.exits import Manners, OutletRules
from gomail.outcome import OutcomeClass
from gomail.routing import Candidate, Router, Way
from tests.builders import candidate, only, outcome

NEW = candidate()
quick = settings(max_examples=100, deadline=None, derandomize=True)


def router(*, rooms=None, random=0.5, most_room=256, **weights):
    rules = {name: OutletRules(one) for name, one in (weights or {"ses": 1, "sendgrid": 1}).items()}
    manners = Manners(ramp=0)
    made = Router(rules, manners=manners, most_room=most_room, random=lambda: random)
    for way in made.exits:
        way.room = rooms or way.room
    return made


def unhealthy(made, *names, now=0.0):
    for name in names:
        made.publish(name, healthy=False, verdict=made.exit(name).verdict + 1, now=now)
    return made


def names(choices):
    return [choice.exit.name if choice.exit else None for choice in choices]


def settled(made, choices):
    made.release(choice.exit.name for choice in choices if choice.exit)


def routed(made, batch, now=0.0):
    """Where a batch goes; it is settled at once."""
    choices = made.route(batch, now)
    settled(made, choices)
    return names(choices)


def probes_to(made, name, batch, times):
    """At which of these times the provider got a probe that was settled at once."""
    return [now for now in times if name in routed(made, batch, now)]


# -- shares ---------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    weights=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
)
def test_shares_follow_the_weights_whatever_the_size_of_batches(weights, sizes):
    made = router(rooms=64, **{f"p{index}": weight for index, weight in enumerate(weights)})
    seen, turn = Counter(), 0

    while seen.total() < 10_000:
        seen.update(routed(made, [NEW] * sizes[turn % len(sizes)]))
        turn += 1

    for index, weight in enumerate(weights):
        assert seen[f"p{index}"] / seen.total() == pytest.approx(weight / sum(weights), abs=0.01)


def test_batches_of_one_alternate():
    made = router()

    assert [routed(made, [NEW])[0] for _ in range(6)] == ["ses", "sendgrid"] * 3


def test_messages_of_one_batch_alternate():
    assert routed(router(), [NEW] * 4) == ["ses", "sendgrid"] * 2


def test_a_provider_without_room_gets_nothing_and_the_others_take_its_share():
    made = router()
    made.exit("ses").room = 2

    assert Counter(names(made.route([NEW] * 10, 0.0))) == {"ses": 2, "sendgrid": 8}


def test_a_message_for_which_nobody_has_room_goes_nowhere():
    made = router(rooms=1)

    assert names(made.route([NEW] * 3, 0.0)) == ["ses", "sendgrid", None]


@quick
@given(away=st.integers(1, 300), how=st.sampled_from(["full", "paused", "unsuited"]))
def test_a_provider_that_was_away_gathers_no_debt(away, how):
    made = router()
    ses = made.exit("ses")
    ses.in_hand = ses.room if how == "full" else 0
    ses.paused_until = 1.0 if how == "paused" else 0.0
    for _ in range(away):
        assert routed(made, [only("sendgrid") if how == "unsuited" else NEW]) == ["sendgrid"]
    ses.in_hand = 0

    back = [routed(made, [NEW], now=2.0)[0] for _ in range(10)]

    assert back.count("ses") in {5, 6}


def test_a_provider_that_recovers_gathers_no_debt_either():
    made = unhealthy(router(), "ses")
    for _ in range(500):
        routed(made, [NEW])
    made.publish("ses", healthy=True, verdict=2, now=1.0)

    assert names(made.route([NEW] * 10, 1.0)).count("ses") in {5, 6}


# -- what a message has been through --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["refused", "unsuitable"])
def test_a_message_never_goes_to_a_provider_that_will_not_carry_it(kind):
    made = router(rooms=3)

    assert Counter(names(made.route([candidate(ses=kind)] * 5, 0.0))) == {"sendgrid": 3, None: 2}


@pytest.mark.parametrize("kind", ["failed", "unknown"])
def test_a_message_prefers_a_provider_that_has_not_failed_it(kind):
    assert routed(router(), [candidate(ses=kind)] * 4) == ["sendgrid"] * 4


def test_a_message_that_all_have_failed_starts_again_with_any_of_them():
    tried_everywhere = candidate(ses="failed", sendgrid="unknown")

    assert routed(router(), [tried_everywhere] * 4) == ["ses", "sendgrid"] * 2


@pytest.mark.parametrize("kind", ["throttled", "quota"])
def test_a_limit_that_has_passed_is_not_held_against_a_provider(kind):
    assert routed(router(), [candidate(ses=kind)] * 4) == ["ses", "sendgrid"] * 2


def test_a_message_goes_only_where_it_can_be_carried():
    assert routed(router(), [only("sendgrid")] * 3) == ["sendgrid"] * 3
    assert routed(router(), [only()]) == [None]


# -- an unhealthy provider beside a healthy one ---------------------------------------------------


def test_an_unhealthy_provider_has_at_most_one_message_in_flight():
    made = unhealthy(router(), "ses")

    first, *later = [made.route([NEW] * 2, now) for now in (5.0, 10.0, 15.0)]

    assert (first[0].exit.name, first[0].way) == ("ses", Way.PROBE)
    assert "ses" not in {name for choices in later for name in names(choices)}


@pytest.mark.parametrize(("random", "interval"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_an_unhealthy_provider_gets_a_probe_each_interval_give_or_take_a_fifth(random, interval):
    made = unhealthy(router(random=random), "ses")

    times = probes_to(made, "ses", [NEW] * 2, [tick / 100 for tick in range(500)])

    gaps = [later - sooner for sooner, later in zip([0.0, *times], times, strict=False)]
    assert gaps == pytest.approx([interval] * len(gaps), abs=0.011)


def test_the_first_probe_waits_an_interval_after_the_verdict():
    made = unhealthy(router(), "ses", now=100.0)

    assert probes_to(made, "ses", [NEW] * 2, [100.0, 100.9, 101.0]) == [101.0]


def test_a_probe_is_a_message_that_nobody_has_tried():
    made = unhealthy(router(), "ses")

    assert routed(made, [candidate(sendgrid="throttled")] * 4, 9.0) == ["sendgrid"] * 4
    assert routed(made, [candidate(sendgrid="throttled"), NEW], 9.0) == ["sendgrid", "ses"]


def test_a_lone_message_goes_to_the_healthy_one():
    made = unhealthy(router(), "ses")

    assert probes_to(made, "ses", [NEW], [second / 2 for second in range(60)]) == []


def test_a_lone_message_is_a_probe_after_thirty_seconds_without_one():
    made = unhealthy(router(), "ses")

    assert probes_to(made, "ses", [NEW], [29.9, 30.0, 59.9, 60.0]) == [30.0, 60.0]


def test_a_lone_message_is_a_probe_where_the_last_one_was_good():
    made = unhealthy(router(), "ses")
    made.note("ses", outcome("accepted"), Way.PROBE, 1.0)

    assert probes_to(made, "ses", [NEW], [1.0, 1.5, 2.0]) == [1.0, 2.0]


@pytest.mark.parametrize("kind", ["failed", "unknown"])
def test_a_bad_probe_ends_the_probing_with_lone_messages(kind):
    made = unhealthy(router(), "ses")
    made.note("ses", outcome("accepted"), Way.PROBE, 1.0)
    made.note("ses", outcome(kind), Way.PROBE, 2.0)

    assert probes_to(made, "ses", [NEW], [3.0, 4.0]) == []


def test_a_verdict_forgets_that_the_last_probe_was_good():
    made = unhealthy(router(), "ses")
    made.note("ses", outcome("accepted"), Way.PROBE, 1.0)
    made.publish("ses", healthy=True, verdict=2, now=2.0)

    unhealthy(made, "ses", now=3.0)

    assert probes_to(made, "ses", [NEW], [4.0, 9.0]) == []


def test_a_probe_is_never_sent_to_a_provider_that_is_paused_or_cannot_carry_it():
    made = unhealthy(router(), "ses")
    made.note("ses", outcome("throttled", retry_after=20.0), Way.PROBE, 0.0)

    assert probes_to(made, "ses", [NEW] * 2, [5.0, 19.9]) == []
    assert probes_to(made, "ses", [only("sendgrid")] * 2, [20.0]) == []
    assert probes_to(made, "ses", [NEW] * 2, [20.0]) == [20.0]


def test_an_unhealthy_provider_gets_no_more_than_a_probe_while_the_healthy_one_is_full():
    made = unhealthy(router(), "ses")
    made.exit("sendgrid").in_hand = 16

    assert names(made.route([NEW] * 3, 5.0)) == ["ses", None, None]


# -- all unhealthy --------------------------------------------------------------------------------


def test_where_all_are_unhealthy_mail_is_split_again():
    made = unhealthy(router(), "ses", "sendgrid")

    choices = made.route([NEW] * 4, 0.0)

    assert names(choices) == ["ses", "sendgrid"] * 2
    assert {choice.way for choice in choices} == {Way.SHARE}


def test_where_all_are_unhealthy_a_lone_message_and_a_tried_one_are_sent_too():
    made = unhealthy(router(), "ses", "sendgrid")

    assert routed(made, [NEW]) == ["ses"]
    assert routed(made, [candidate(sendgrid="failed")]) == ["ses"]


# -- how much may be received ---------------------------------------------------------------------


@quick
@given(in_hand=st.integers(0, 20), unrouted=st.integers(0, 40), wanted=st.integers(1, 10))
def test_a_receive_gets_all_it_wants_or_nothing(in_hand, unrouted, wanted):
    made = router()
    made.exit("ses").in_hand = in_hand
    free = max(0, 16 - in_hand) + 16 - unrouted

    assert made.allowance(wanted, unrouted, 0.0) == (wanted if free >= wanted else 0)


def test_only_the_rooms_of_those_that_may_take_mail_count():
    made = unhealthy(router(ses=1, sendgrid=1, other=1), "ses")
    made.note("other", outcome("quota"), Way.SHARE, 0.0)

    assert made.capacity(1.0) == 16
    assert (made.allowance(10, 6, 1.0), made.allowance(10, 7, 1.0)) == (10, 0)


def test_nothing_is_received_while_all_are_paused():
    made = router()
    for name in ("ses", "sendgrid"):
        made.note(name, outcome("throttled", retry_after=5.0), Way.SHARE, 0.0)

    assert made.capacity(4.9) == 0
    assert (made.allowance(10, 0, 4.9), made.allowance(10, 0, 5.0)) == (0, 10)


def test_while_all_are_ill_one_message_a_provider_is_received_each_interval():
    made = unhealthy(router(), "ses", "sendgrid")

    granted = [made.allowance(10, 0, tick / 10) for tick in range(50)]

    assert [index / 10 for index, some in enumerate(granted) if some] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert set(granted) == {0, 2}


@pytest.mark.parametrize(("accepted", "granted"), [(2, 6), (5, 10), (10, 10)])
def test_while_all_are_ill_more_is_received_as_more_is_accepted(accepted, granted):
    made = unhealthy(router(), "ses", "sendgrid")
    for index in range(10):
        made.note("ses", outcome("accepted" if index < accepted else "failed"), Way.SHARE, 0.0)
    made.exit("ses").room = 16

    made.allowance(10, 0, 0.0)

    assert made.allowance(10, 0, 0.0) == granted


def test_only_the_last_ten_outcomes_say_how_much_is_accepted():
    made = unhealthy(router(), "ses", "sendgrid")
    for kind in ["accepted"] * 30 + ["failed"] * 10:
        made.note("ses", outcome(kind), Way.SHARE, 0.0)

    assert [made.allowance(10, 0, 0.0) for _ in range(2)] == [2, 0]


def test_nothing_trickles_in_for_ill_providers_without_room():
    made = unhealthy(router(rooms=1), "ses", "sendgrid")

    assert made.allowance(10, 32, 0.0) == 0


def test_probes_alone_are_received_while_the_healthy_one_is_paused():
    made = unhealthy(router(), "ses")
    made.note("sendgrid", outcome("quota"), Way.SHARE, 0.0)
    for _ in range(10):
        made.note("ses", outcome("accepted"), Way.PROBE, 0.0)

    assert [made.allowance(10, 0, now) for now in (0.0, 0.5, 1.0)] == [1, 0, 1]


# -- pauses ---------------------------------------------------------------------------------------


def paused_for(made, name, now=0.0):
    return made.exit(name).paused_until - now


def test_a_throttled_provider_rests_for_as_long_as_it_asks():
    made = router()

    made.note("ses", outcome("throttled", retry_after=7.0), Way.SHARE, 100.0)

    assert routed(made, [NEW] * 2, 106.9) == ["sendgrid"] * 2
    assert "ses" in routed(made, [NEW] * 2, 107.0)


def test_a_provider_throttled_again_and_again_rests_twice_as_long_up_to_a_minute():
    made, now, pauses = router(), 0.0, []

    for _ in range(9):
        made.note("ses", outcome("throttled"), Way.SHARE, now)
        pauses.append(paused_for(made, "ses", now))
        now = made.exit("ses").paused_until

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_an_acceptance_makes_the_next_pause_short_again():
    made = router()
    for kind in ("throttled", "throttled", "accepted"):
        made.note("ses", outcome(kind), Way.SHARE, 0.0)

    made.note("ses", outcome("throttled"), Way.SHARE, 10.0)

    assert paused_for(made, "ses", 10.0) == 1


@pytest.mark.parametrize(("asked", "seconds"), [(None, 900), (3_600.0, 3_600)])
def test_a_provider_whose_quota_is_used_up_rests_a_quarter_of_an_hour_or_what_it_says(
    asked, seconds
):
    made = router()

    made.note("ses", outcome("quota", retry_after=asked), Way.SHARE, 0.0)

    assert paused_for(made, "ses") == seconds


def test_a_shorter_pause_does_not_end_a_longer_one():
    made = router()
    made.note("ses", outcome("quota"), Way.SHARE, 0.0)

    made.note("ses", outcome("throttled", retry_after=5.0), Way.SHARE, 0.0)

    assert paused_for(made, "ses") == 900


# -- rooms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_hand", "unrouted", "room"), [(79, 0, 100), (80, 0, 101), (70, 18, 100), (70, 20, 101)]
)
def test_a_room_grows_by_one_for_an_acceptance_while_most_of_it_is_used(in_hand, unrouted, room):
    made = router(rooms=101)
    made.note("ses", outcome("failed"), Way.SHARE, 0.0)
    made.exit("ses").in_hand = in_hand

    made.note("ses", outcome("accepted"), Way.SHARE, 0.0, unrouted=unrouted)

    assert made.exit("ses").room == room


def test_until_a_providers_first_failure_its_room_grows_by_two():
    made = router()

    for kind in ("accepted", "accepted", "failed", "accepted"):
        made.exit("ses").in_hand = made.exit("ses").room
        made.note("ses", outcome(kind), Way.SHARE, 0.0)

    assert made.exit("ses").room == 16 + 2 + 2 - 1 + 1


@pytest.mark.parametrize(("in_hand", "room"), [(1, 16), (16, 18)])
def test_a_small_room_grows_too_but_not_while_it_is_idle(in_hand, room):
    made = router()
    made.exit("ses").in_hand = in_hand

    made.note("ses", outcome("accepted"), Way.SHARE, 0.0)

    assert made.exit("ses").room == room


def test_a_room_grows_no_further_than_it_may():
    made = router(most_room=20)

    for _ in range(9):
        made.exit("ses").in_hand = made.exit("ses").room
        made.note("ses", outcome("accepted"), Way.SHARE, 0.0)

    assert made.exit("ses").room == 20


@pytest.mark.parametrize(
    ("kind", "room"),
    [("failed", 15), ("unknown", 15), ("throttled", 16), ("refused", 16), ("unsuitable", 16)],
)
def test_a_room_falls_by_one_for_a_failure_only(kind, room):
    made = router()

    made.note("ses", outcome(kind), Way.SHARE, 0.0)

    assert made.exit("ses").room == room


def test_a_room_falls_to_one_and_grows_from_there():
    made = router()
    for _ in range(99):
        made.note("ses", outcome("failed"), Way.SHARE, 0.0)
    assert made.exit("ses").room == 1

    made.exit("ses").in_hand = 1
    made.note("ses", outcome("accepted"), Way.SHARE, 0.0)

    assert made.exit("ses").room == 2


@pytest.mark.parametrize("room", [1, 200])
def test_a_room_is_sixteen_again_after_a_change_of_verdict(room):
    made = router(rooms=room)

    unhealthy(made, "ses")

    assert [way.room for way in made.exits] == [16, room]


def test_an_older_verdict_than_the_known_one_changes_nothing():
    made = router()
    made.publish("ses", healthy=True, verdict=2, now=0.0)

    made.publish("ses", healthy=False, verdict=1, now=1.0)

    assert (made.exit("ses").healthy, made.exit("ses").verdict) == (True, 2)


# -- whatever happens -----------------------------------------------------------------------------

KINDS = st.sampled_from(OutcomeClass)
PROVIDERS = ("a", "b", "c")
CANDIDATES = st.builds(
    Candidate,
    outcomes=st.dictionaries(st.sampled_from(PROVIDERS), KINDS, max_size=3),
    eligible=st.none() | st.frozensets(st.sampled_from(PROVIDERS)),
)
UNCARRIED = {OutcomeClass.REFUSED, OutcomeClass.UNSUITABLE}


class Routing(RuleBasedStateMachine):
    """A router under any sequence of batches, outcomes, verdicts and passing time."""

    def __init__(self):
        super().__init__()
        self.now, self.in_flight = 0.0, []
        rules = dict.fromkeys(PROVIDERS, OutletRules())
        self.router = Router(rules, most_room=20, random=lambda: 0.5)
        self.probed = dict.fromkeys(PROVIDERS, float("-inf"))

    @rule(batch=st.lists(CANDIDATES, max_size=12))
    def route(self, batch):
        before = {way.name: (way.in_hand, way.room) for way in self.router.exits}
        any_healthy = any(way.healthy for way in self.router.exits)
        got = Counter()

        for wish, choice in zip(batch, self.router.route(batch, self.now), strict=True):
            if choice.exit:
                self._check(wish, choice, any_healthy=any_healthy)
                got[choice.exit.name] += 1
                self.in_flight.append((choice.exit.name, choice.way))

        for name, count in got.items():
            in_hand, room = before[name]
            assert in_hand + count <= room

    def _check(self, wish, choice, *, any_healthy):
        way = choice.exit
        assert wish.outcomes.get(way.name) not in UNCARRIED
        assert wish.eligible is None or way.name in wish.eligible
        assert self.now >= way.paused_until
        assert (choice.way is Way.PROBE) == (any_healthy and not way.healthy)
        if choice.way is Way.PROBE:
            if wish.outcomes:  # nobody else can take it
                for one in self.router.exits:
                    if one.healthy and self.now >= one.paused_until:
                        assert wish.outcomes.get(one.name) in UNCARRIED or (
                            wish.eligible is not None and one.name not in wish.eligible
                        )
            assert way.in_hand == 1
            assert self.now - self.probed[way.name] >= 0.8
            self.probed[way.name] = self.now

    @rule(kind=KINDS, data=st.data())
    def come_back(self, kind, data):
        if self.in_flight:
            name, way = self.in_flight.pop(data.draw(st.integers(0, len(self.in_flight) - 1)))
            self.router.note(name, outcome(kind), way, self.now)
            self.router.release([name])

    @rule(name=st.sampled_from(PROVIDERS), healthy=st.booleans())
    def publish(self, name, healthy):
        verdict = self.router.exit(name).verdict + 1
        self.router.publish(name, healthy=healthy, verdict=verdict, now=self.now)

    @rule(seconds=st.floats(0.01, 40))
    def wait(self, seconds):
        self.now += seconds

    @rule(wanted=st.integers(1, 10), unrouted=st.integers(0, 30))
    def ask(self, wanted, unrouted):
        free = sum(way.free for way in self.router.exits if self.now >= way.paused_until)

        granted = self.router.allowance(wanted, unrouted, self.now)

        assert granted == 0 or (granted <= wanted and granted <= free - unrouted)

    @invariant()
    def in_hand_is_what_is_in_flight_and_rooms_keep_their_bounds(self):
        in_flight = Counter(name for name, _ in self.in_flight)
        for way in self.router.exits:
            assert way.in_hand == in_flight[way.name]
            assert 1 <= way.room <= 20 * len(PROVIDERS)


Routing.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)
TestRouting = Routing.TestCase


# -- what once went wrong -------------------------------------------------------------------------


def test_a_burst_of_throttles_pauses_once():
    made = router()

    for _ in range(16):
        made.note("ses", outcome("throttled"), Way.SHARE, 0.0)

    assert made.exit("ses").paused_until == 1.0


def test_a_paused_provider_gets_no_part_of_the_others():
    made = router(most_room=256, rooms=256, a=9, b=1)
    made.note("a", outcome("throttled", retry_after=60.0), Way.SHARE, 0.0)

    made.exit("a").in_hand = 256
    made.note("a", outcome("accepted"), Way.SHARE, 1.0)

    assert made.exit("a").room == 256


def test_late_failures_of_an_earlier_verdict_leave_the_new_room_alone():
    made = unhealthy(router(), "ses")

    for _ in range(20):
        made.note("ses", outcome("failed"), Way.SHARE, 0.0, verdict=0)

    assert made.exit("ses").room == 16


def test_while_all_are_ill_and_half_is_accepted_half_of_the_rooms_is_used():
    made = unhealthy(router(), "ses", "sendgrid")
    for index in range(10):
        made.note("ses", outcome("accepted" if index % 2 else "failed"), Way.SHARE, 0.0, verdict=0)
    made.allowance(10, 0, 0.0)
    unrouted = 0

    while granted := made.allowance(10, unrouted, 0.0):
        unrouted += granted

    assert unrouted in {16, 18}
