"""What becomes of a message: deleted, returned, or a dead letter; and the three rules together."""

import heapq
from collections import Counter
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.exits import OutletRules
from gomail.health import Health, Observation, Thresholds, observe, sign_of, tick
from gomail.outcome import OutcomeClass
from gomail.routing import Candidate, Router
from gomail.settlement import (
    LONGEST_DELAY,
    DeadLetter,
    Delete,
    Policy,
    Return,
    backoff,
    expired,
    given_up,
    settle,
)
from gomail.tried import Tried
from tests.builders import outcome

BOTH = ("ses", "sendgrid")
DAY = 86_400.0
AGAIN = [OutcomeClass.FAILED, OutcomeClass.UNSUITABLE, OutcomeClass.THROTTLED, OutcomeClass.QUOTA]
quick = settings(max_examples=200, deadline=None, derandomize=True)
UNIFORM = st.floats(0, 1, exclude_max=True)


def settle_at_ses(kind, **given):
    """The decision after SES, the first to try, brought this outcome."""
    facts = {
        "outcomes": {"ses": OutcomeClass(kind)},
        "eligible": BOTH,
        "ready": BOTH,
        "receive_count": 1,
        "age": 0.0,
        "policy": Policy(),
        "random": lambda: 0.5,
    }
    return settle(outcome(kind, code="the code", detail="the detail"), **facts | given)


@quick
@given(
    eligible=st.sets(st.sampled_from(BOTH)),
    earlier=st.dictionaries(st.just("sendgrid"), st.sampled_from(OutcomeClass)),
    age=st.floats(0, 10 * DAY),
    dead_letter_unknown=st.booleans(),
)
def test_what_was_accepted_is_deleted_whatever_else_is_true(
    eligible, earlier, age, dead_letter_unknown
):
    policy = Policy(dead_letter_unknown=dead_letter_unknown)
    outcomes = earlier | {"ses": OutcomeClass.ACCEPTED}

    decision = settle_at_ses(
        "accepted", outcomes=outcomes, eligible=eligible, age=age, policy=policy
    )

    assert decision == Delete()


# -- back to the queue ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", AGAIN)
def test_it_goes_back_at_once_where_somebody_ready_has_not_tried_it(kind):
    assert settle_at_ses(kind) == Return(0)


@pytest.mark.parametrize("kind", [kind for kind in AGAIN if kind is not OutcomeClass.UNSUITABLE])
@pytest.mark.parametrize("ready", [[], ["ses"]])
def test_it_goes_back_after_a_delay_where_nobody_else_is_ready(kind, ready):
    assert settle_at_ses(kind, ready=ready, receive_count=7) == Return(32)


@pytest.mark.parametrize("kind", [kind for kind in AGAIN if kind is not OutcomeClass.UNSUITABLE])
def test_it_goes_back_after_a_delay_where_all_have_tried_it(kind):
    outcomes = {"ses": OutcomeClass(kind), "sendgrid": OutcomeClass.FAILED}

    assert settle_at_ses(kind, outcomes=outcomes, receive_count=7) == Return(32)


def test_it_waits_for_the_provider_that_is_not_ready_where_this_one_cannot_carry_it():
    assert settle_at_ses("unsuitable", ready=["ses"], receive_count=7) == Return(32)


def test_it_goes_back_after_a_delay_where_its_outcome_is_unknown():
    assert settle_at_ses("unknown", receive_count=7) == Return(32)


# -- delays ---------------------------------------------------------------------------------------


@quick
@given(receive_count=st.integers(1, 2_000), random=UNIFORM)
def test_a_delay_is_at_least_a_second_and_within_its_bound(receive_count, random):
    delay = backoff(receive_count, lambda: random)

    assert 1 <= delay <= min(LONGEST_DELAY, 2 ** (receive_count - 1))


@pytest.mark.parametrize("receive_count", [1, 2, 3, 6, 10, 11, 230])
def test_full_jitter_covers_the_whole_range(receive_count):
    bound = min(900, 2 ** (receive_count - 1))

    delays = {backoff(receive_count, lambda x=step / 3_000: x) for step in range(3_000)}

    assert delays == set(range(1, bound + 1))


@pytest.mark.parametrize("receive_count", [4, 8, 11])
def test_jitter_is_uniform_over_the_range(receive_count):
    bound = min(900, 2 ** (receive_count - 1))

    delays = [backoff(receive_count, lambda x=step / 10_000: x) for step in range(10_000)]

    assert sum(delays) / len(delays) == pytest.approx((bound + 1) / 2, rel=0.01)


# -- dead letters ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in OutcomeClass if kind != "accepted"])
def test_age_ends_every_attempt_that_was_not_accepted(kind):
    decision = settle_at_ses(kind, age=DAY)

    assert isinstance(decision, DeadLetter)
    assert decision.code == "the code"


@quick
@given(
    kind=st.sampled_from([*AGAIN, OutcomeClass.UNKNOWN, OutcomeClass.REFUSED]),
    receive_count=st.integers(1, 10_000),
    age=st.floats(0, DAY, exclude_max=True),
)
def test_age_alone_ends_attempts_however_many_there_were(kind, receive_count, age):
    assert isinstance(settle_at_ses(kind, receive_count=receive_count, age=age), Return)


def test_a_message_given_up_says_its_age_and_its_last_outcome():
    assert given_up(DAY).reason == "given up after 24.0 h"
    assert given_up(DAY).code == "given-up"
    assert given_up(1_800.0, outcome("failed", code="500", detail="why")) == DeadLetter(
        "given up after 0.5 h; last outcome: failed", "500", "why"
    )


def test_an_end_that_its_sender_set_is_told_apart_from_giving_up():
    assert expired() == DeadLetter("expired", "expired")
    assert given_up(DAY).code != expired().code


def test_the_refusal_of_one_of_two_is_not_final():
    assert settle_at_ses("refused") == Return(0)
    assert settle_at_ses("refused", ready=["ses"], receive_count=7) == Return(32)


@pytest.mark.parametrize(
    ("earlier", "eligible"),
    [({"sendgrid": "refused"}, BOTH), ({"sendgrid": "refused"}, (*BOTH, "other")), ({}, ["ses"])],
)
def test_a_refusal_is_final_with_a_second_one_or_where_nobody_else_is_eligible(earlier, eligible):
    outcomes = {name: OutcomeClass(kind) for name, kind in earlier.items()}

    decision = settle_at_ses(
        "refused", outcomes=outcomes | {"ses": OutcomeClass.REFUSED}, eligible=eligible
    )

    assert decision == DeadLetter("refused", "the code", "the detail")


@pytest.mark.parametrize("other", ["refused", "unsuitable"])
def test_what_no_provider_can_carry_is_a_dead_letter(other):
    outcomes = {"ses": OutcomeClass.UNSUITABLE, "sendgrid": OutcomeClass(other)}

    decision = settle_at_ses("unsuitable", outcomes=outcomes)

    assert decision == DeadLetter("no provider can carry it", "the code", "the detail")


@pytest.mark.parametrize("kind", ["failed", "throttled", "quota", "unknown"])
def test_a_refusal_elsewhere_does_not_end_what_may_still_succeed_here(kind):
    outcomes = {"sendgrid": OutcomeClass.REFUSED, "ses": OutcomeClass(kind)}

    assert isinstance(settle_at_ses(kind, outcomes=outcomes), Return)


def test_mail_that_must_not_go_out_twice_is_a_dead_letter_once_its_outcome_is_unknown():
    decision = settle_at_ses("unknown", policy=Policy(dead_letter_unknown=True))

    assert decision == DeadLetter("it may have been sent", "the code", "the detail")


@pytest.mark.parametrize("kind", AGAIN)
def test_that_policy_changes_nothing_for_what_was_certainly_not_sent(kind):
    assert settle_at_ses(kind, policy=Policy(dead_letter_unknown=True)) == settle_at_ses(kind)


@quick
@given(
    outcomes=st.dictionaries(st.sampled_from("abc"), st.sampled_from(OutcomeClass), min_size=1),
    others=st.sets(st.sampled_from("abc")),
    ready=st.sets(st.sampled_from("abc")),
)
def test_a_message_that_somebody_could_still_carry_is_never_given_up_young(outcomes, others, ready):
    eligible = others | set(outcomes)
    kinds = list(outcomes.values())

    decision = settle_at_ses(kinds[0], outcomes=outcomes, eligible=eligible, ready=ready & eligible)

    if isinstance(decision, DeadLetter):
        never = {OutcomeClass.REFUSED, OutcomeClass.UNSUITABLE}
        cannot = all(outcomes.get(name) in never for name in eligible)
        assert cannot or kinds.count(OutcomeClass.REFUSED) > 1


# -- routing, health and settlement together ------------------------------------------------------

LATENCY = 0.05
POLL = 0.05


class World:
    """One queue and two providers under a clock that is moved; the rules decide everything."""

    def __init__(self, messages, answers):
        self.now, self.answers, self.order = 0.0, answers, count()
        self.router = Router(dict.fromkeys(BOTH, OutletRules()), random=self.random)
        self.health = dict.fromkeys(BOTH, Health())
        self.tried, self.receives = Tried(), Counter()
        self.calls, self.accepted, self.dead = Counter(), Counter(), []
        self.attempts = Counter()
        self.waiting = [(0.0, index, str(index)) for index in range(messages)]
        self.events = []
        self.left, self.drawn = messages, 0.5

    def random(self):
        """Not random, but spread over [0, 1): the golden ratio's multiples."""
        self.drawn = (self.drawn + 0.6180339887) % 1
        return self.drawn

    def run(self, until):
        """Live until all is settled or time is up."""
        self.later(0.0, self.receive)
        while self.left and self.events and self.now < until:
            self.now, _, act, given = heapq.heappop(self.events)
            act(*given)
        return self

    def later(self, seconds, act, *given):
        heapq.heappush(self.events, (self.now + seconds, next(self.order), act, given))

    def receive(self):
        """Receive as long as there is mail and room; look again soon."""
        for name in BOTH:
            self.judge(name, tick(self.health[name], self.now, Thresholds()))
        while self.due():
            wanted = max(1, min(10, self.router.capacity(self.now)))
            granted = self.router.allowance(wanted, 0, self.now)
            got = [heapq.heappop(self.waiting)[2] for _ in range(granted) if self.due()]
            if not got:
                break
            self.route(got)
        self.later(POLL, self.receive)

    def due(self):
        return bool(self.waiting) and self.waiting[0][0] <= self.now

    def route(self, batch):
        self.receives.update(batch)
        wishes = [Candidate(self.tried.of(one).outcomes) for one in batch]
        for one, choice in zip(batch, self.router.route(wishes, self.now), strict=True):
            if choice.exit is None:
                self.give_back(one, 1)
            else:
                self.attempts[one] += 1
                self.calls[choice.exit.name] += 1
                verdict = choice.exit.verdict
                self.later(LATENCY, self.come_back, one, choice.exit.name, choice.way, verdict)

    def come_back(self, one, name, way, verdict):
        seen = outcome(self.answers(name, self.now))
        again = self.tried.of(one).outcomes.get(name)
        self.tried.note(one, name, seen.kind)
        self.router.note(name, seen, way, self.now)
        decision = settle(
            seen,
            outcomes=self.tried.of(one).outcomes,
            eligible=BOTH,
            ready=[way.name for way in self.router.ready(self.now)],
            receive_count=self.receives[one],
            age=self.now,
            policy=Policy(),
            random=self.random,
        )
        self.router.release([name])
        if (sign := sign_of(seen)) and (again is None or seen.kind is OutcomeClass.ACCEPTED):
            seen_under = Observation(sign, verdict)
            self.judge(name, observe(self.health[name], seen_under, self.now, Thresholds()))
        self.carry_out(one, name, decision)

    def judge(self, name, health):
        self.health[name] = health
        self.router.publish(name, healthy=health.healthy, verdict=health.verdict, now=self.now)

    def carry_out(self, one, name, decision):
        match decision:
            case Return(delay):
                self.give_back(one, delay)
            case Delete():
                self.accepted[name] += 1
                self.left -= 1
            case DeadLetter():
                self.dead.append(one)
                self.left -= 1

    def give_back(self, one, delay):
        heapq.heappush(self.waiting, (self.now + delay, next(self.order), one))


@pytest.fixture(scope="module")
def ses_is_down():
    return World(8_000, lambda name, _now: "failed" if name == "ses" else "accepted").run(600.0)


def test_a_provider_that_answers_500_to_everything_costs_less_than_sixty_calls(ses_is_down):
    assert not ses_is_down.health["ses"].healthy
    assert ses_is_down.calls["ses"] < 60


def test_everything_is_accepted_by_the_other_provider_and_nothing_twice(ses_is_down):
    assert ses_is_down.left == 0
    assert ses_is_down.accepted == {"sendgrid": 8_000}
    assert max(ses_is_down.attempts.values()) <= 2


def test_the_other_provider_is_as_fast_as_its_room(ses_is_down):
    assert ses_is_down.now < 8_000 * LATENCY / 100


@pytest.fixture(scope="module")
def an_hour_without_anybody():
    hour = 3_600.0
    return World(1_000, lambda _name, now: "failed" if now < hour else "accepted").run(3 * hour)


def test_an_outage_of_all_for_an_hour_loses_nothing(an_hour_without_anybody):
    world = an_hour_without_anybody

    assert (world.left, world.dead) == (0, [])
    assert world.accepted.total() == 1_000
    assert all(health.healthy for health in world.health.values())


def test_an_outage_of_all_costs_each_message_few_attempts(an_hour_without_anybody):
    world = an_hour_without_anybody

    # Two a second are tried (one a provider), so 1,000 messages share 7,200 attempts in an hour.
    assert world.calls.total() < 3_600 * 2 / 0.8 + 1_100
    assert max(world.attempts.values()) <= 12


def test_mail_flows_again_soon_after_an_outage_of_all(an_hour_without_anybody):
    # No message waits longer than its last delay of at most a quarter of an hour.
    assert an_hour_without_anybody.now < 3_600 + LONGEST_DELAY + 60
