"""The desk's bookkeeping: copies, credits, endings without an attempt; nothing lost or doubled."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flows.desk import Desk, Rules
from flows.mail import Letter, Routed, Settlement
from gomail.exits import OutletRules
from gomail.health import Observation, Sign
from gomail.outcome import OutcomeClass
from gomail.settlement import DeadLetter, Delete, LetGo, Policy, Return
from tests.builders import attempt, letter

DAY = 86_400.0
MEBIBYTE = 1_048_576
BOTH = ("ses", "sendgrid")


class Clock:
    now = 1_000.0


def desk(*, clock=None, able=None, weights=BOTH, **rules):
    time = clock or Clock()
    return Desk(
        Rules(dict.fromkeys(weights, OutletRules()), **rules),
        able=able,
        monotonic=lambda: time.now,
        wall=lambda: time.now,
        random=lambda: 0.5,
    )


def lane(of=None, index=0, *, partitions=1):
    made = (of or desk()).lane(index)
    made.partitions = partitions
    return made


def deliver(to, *letters):
    """Receive letters and read them."""
    asked = to.reserve(first=True)
    assert asked >= len(letters)
    to.landed(asked, letters, first=True)
    return to.read(letters)


def route(to, *letters):
    return to.route(deliver(to, *letters))


def judge(to, routed, *kinds):
    return to.judge([attempt(one, kind) for one, kind in zip(routed, kinds, strict=True)])


def put_away(of, *settlements):
    of.put_away([(one.letter, receipt) for one in settlements for receipt in one.letter.receipts])


def handles(one):
    return [receipt.handle for receipt in one.receipts]


def tried(of, to, one, *kinds):
    """Have a message tried and settled, once for each kind of outcome."""
    for number, kind in enumerate(kinds):
        again = letter(one.id.removeprefix("sqs-"), handle=f"handle {number}")
        put_away(of, *judge(to, route(to, again), kind))


def bury(of, to):
    """Have a message refused by both, and taken by the dead-letter queue."""
    tried(of, to, letter(), "refused", "refused")
    (dead,) = deliver(to, letter())
    of.buried(dead.letter)
    put_away(of, dead)


# -- reading --------------------------------------------------------------------------------------


def test_a_letter_that_was_read_bears_the_id_the_api_promised():
    (one,) = deliver(lane(), letter("m-1", queue_message_id="sqs-9"))

    assert (one.id, one.email.to_email) == ("m-1", "reader@example.org")


def test_a_bare_email_of_the_go_service_bears_the_queues_id():
    body = '{"email": {"fromEmail": "a@example.com", "toEmail": "b@example.com", "body": "x"}}'

    (one,) = deliver(lane(), letter(body=body, queue_message_id="sqs-9"))

    assert (one.id, one.email.to_email) == ("sqs-9", "b@example.com")


@pytest.mark.parametrize("body", ["no JSON", "{}", '{"email": {}}', '{"v": 2, "email": {}}'])
def test_what_cannot_be_read_is_a_dead_letter_with_its_body_unchanged(body):
    ours = desk()

    (one,) = deliver(lane(ours), letter(body=body))

    assert (one.decision.reason, one.decision.code) == ("unreadable", "unreadable")
    assert one.decision.detail
    assert (one.letter.body, one.outcome, one.observation) == (body, None, None)


def test_what_cannot_be_read_does_not_hold_up_the_others_of_its_batch():
    good, bad, other = letter("a"), letter("b", body="no JSON"), letter("c")

    read = deliver(lane(), good, bad, other)

    assert (read[0], read[2]) == (good, other)
    assert isinstance(read[1], Settlement)


def test_what_is_too_old_is_given_up_without_an_attempt():
    clock = Clock()
    clock.now = DAY
    ours = desk(clock=clock, policy=Policy(give_up_after=DAY))

    old, young = deliver(lane(ours), letter("a", sent_at=0.0), letter("b", sent_at=0.1))

    assert old.decision == DeadLetter("given up after 24.0 h", "given-up")
    assert isinstance(young, Letter)


def test_an_accepted_message_that_comes_back_is_deleted():
    ours = desk()
    tried(ours, lane(ours), letter(), "accepted")

    (back,) = deliver(lane(ours, 1), letter(handle="handle 2"))

    assert back.decision == Delete()
    assert handles(back.letter) == ["handle 2"]


def test_a_buried_message_that_comes_back_is_deleted():
    ours = desk()
    here = lane(ours)
    bury(ours, here)

    (back,) = deliver(here, letter())

    assert back.decision == Delete()


def test_a_redriven_message_starts_anew():
    ours = desk()
    here = lane(ours)
    bury(ours, here)

    (redriven,) = deliver(here, letter(queue_message_id="given by the redrive", sent_at=61.0))

    assert redriven.decision is None
    assert ours.tried.of(redriven.id).outcomes == {}


def test_a_final_message_that_was_not_buried_is_offered_again_and_not_sent():
    ours = desk()
    tried(ours, lane(ours), letter(), "refused", "refused")

    (back,) = deliver(lane(ours), letter())

    assert (back.decision.reason, back.provider) == ("refused", None)


# -- copies ---------------------------------------------------------------------------------------


def test_a_copy_of_a_message_in_hand_is_settled_with_it():
    ours = desk()
    here, there = lane(ours, 0), lane(ours, 1)
    routed = route(here, letter(handle="first"))

    copy = deliver(there, letter(lane=1, queue_message_id="another", handle="second"))

    (settled,) = judge(here, routed, "accepted")
    assert copy == []
    assert (settled.decision, handles(settled.letter)) == (Delete(), ["first", "second"])


def test_a_newer_handle_of_the_same_copy_replaces_the_older():
    here = lane()
    (first,) = deliver(here, letter(handle="older"))

    again = deliver(here, letter(handle="newer"))

    assert again == []
    assert handles(first) == ["newer"]


def test_a_copy_gives_back_its_credit_and_its_bytes_at_once():
    ours = desk()
    here, there = lane(ours, 0), lane(ours, 1)
    deliver(here, letter())

    deliver(there, letter(lane=1, queue_message_id="another"))

    assert there.empty
    assert (there._bytes, here.empty) == (0, False)


def test_a_letter_leaves_our_hands_with_the_last_of_its_copies():
    ours = desk()
    here = lane(ours)
    routed = route(here, letter(handle="first"))
    deliver(here, letter(queue_message_id="another", handle="second"))
    (settled,) = judge(here, routed, "failed")
    first, second = settled.letter.receipts

    ours.put_away([(settled.letter, first)])
    assert not here.empty

    ours.put_away([(settled.letter, second)])
    assert here.empty


@pytest.mark.parametrize(("kind", "decision"), [("accepted", Delete()), ("failed", Return(0))])
def test_a_copy_that_comes_while_the_first_is_being_settled_follows_it(kind, decision):
    ours = desk()
    here = lane(ours)
    (first,) = judge(here, route(here, letter(handle="first")), kind)

    (copy,) = deliver(here, letter(queue_message_id="another", handle="second"))

    assert copy.decision == decision
    assert (handles(first.letter), handles(copy.letter)) == (["first"], ["second"])
    put_away(ours, first, copy)
    assert here.empty


def test_a_copy_of_what_is_being_buried_goes_back_until_that_is_done():
    ours = desk()
    here = lane(ours)
    (first,) = deliver(here, letter(body="no JSON", queue_message_id="x"))

    (copy,) = deliver(here, letter(body="no JSON", queue_message_id="x"))

    assert copy.decision == Return(1)
    assert isinstance(first.decision, DeadLetter)


# -- routing --------------------------------------------------------------------------------------


def test_a_letter_travels_with_the_number_of_the_verdict():
    ours = desk(weights=["ses"])
    here = lane(ours)
    ours.publish("ses", healthy=True, verdict=4)

    (routed,) = route(here, letter())

    assert (routed.provider, routed.verdict) == ("ses", 4)


def test_a_letter_goes_only_where_its_email_can_be_carried():
    ours = desk(able=lambda email: {"ses"} if email.body == "Thank you." else {"sendgrid"})

    routed = route(lane(ours), letter("a"), letter("b"))

    assert [one.provider for one in routed] == ["ses", "ses"]


def test_a_letter_that_no_provider_can_carry_is_a_dead_letter():
    (one,) = route(lane(desk(able=lambda _email: set())), letter())

    assert one.decision == DeadLetter("no provider can carry it", "ineligible")


def test_a_letter_for_which_there_is_no_room_goes_back_for_a_second():
    here = lane()
    letters = deliver(here, letter())
    for way in here.router.exits:
        way.in_hand = way.room

    (one,) = here.route(letters)

    assert one.decision == Return(1)


# -- judging --------------------------------------------------------------------------------------


def observations(of, to, *kinds):
    """What a message that is tried again and again at one provider says of it."""
    seen = []
    for kind in kinds:
        settled = judge(to, route(to, letter()), kind)
        put_away(of, *settled)
        seen += [one.observation for one in settled]
    return seen


def test_an_outcome_says_something_of_the_verdict_under_which_it_was_sent():
    ours = desk(weights=["ses"])
    here = lane(ours)
    ours.publish("ses", healthy=True, verdict=4)

    assert observations(ours, here, "failed") == [Observation(Sign.BAD, 4)]


def test_one_message_that_fails_again_and_again_counts_once():
    ours = desk(weights=["ses"])

    seen = observations(ours, lane(ours), "failed", "failed", "unknown", "failed")

    assert seen == [Observation(Sign.BAD, 0), None, None, None]


def test_its_acceptance_counts_all_the_same():
    ours = desk(weights=["ses"])

    seen = observations(ours, lane(ours), "failed", "accepted")

    assert seen[1] == Observation(Sign.GOOD, 0)


@pytest.mark.parametrize("kind", ["unsuitable", "throttled", "quota"])
def test_a_messages_fault_and_a_limit_say_nothing_of_health(kind):
    ours = desk()

    assert observations(ours, lane(ours), kind) == [None]


def test_a_failure_at_another_provider_counts_there():
    ours = desk()

    seen = observations(ours, lane(ours), "failed", "failed")

    assert seen == [Observation(Sign.BAD, 0)] * 2


def test_a_send_that_did_not_begin_lets_the_letter_go_and_says_nothing():
    ours = desk()
    here = lane(ours)

    (settled,) = judge(here, route(here, letter()), None)
    put_away(ours, settled)

    assert (settled.decision, settled.observation) == (LetGo(), None)
    assert here.empty
    assert ours.tried.of("m-1").outcomes == {}


# -- verdicts -------------------------------------------------------------------------------------


def test_a_verdict_reaches_the_router_of_every_lane_and_is_news_once():
    ours = desk()
    lanes = [lane(ours, index) for index in range(3)]

    assert ours.publish("ses", healthy=False, verdict=1)
    assert not ours.publish("ses", healthy=False, verdict=1)

    assert [one.router.exit("ses").healthy for one in lanes] == [False] * 3
    assert [one.router.exit("sendgrid").healthy for one in lanes] == [True] * 3


def test_an_older_verdict_is_no_news():
    ours = desk()
    here = lane(ours)
    ours.publish("ses", healthy=True, verdict=2)

    assert not ours.publish("ses", healthy=False, verdict=1)
    assert here.router.exit("ses").healthy


# -- credits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "most"), [(1, 256), (2, 128), (4, 64), (100, 16)])
def test_rooms_are_divided_among_the_workers_of_the_process(workers, most):
    ours = desk(max_in_flight=256)

    lanes = [lane(ours, index) for index in range(workers)]

    assert {one.router.most_room for one in lanes} == {most}


def test_a_lane_is_known_by_its_worker():
    ours = desk()

    assert lane(ours, 3) is ours.lane(3) is ours.lane_here()
    assert ours.lane_of(letter(lane=3)) is ours.lane(3)


def test_receives_get_ten_credits_each_until_the_rooms_are_full():
    here = lane()

    assert [here.reserve(first=number == 0) for number in range(5)] == [10, 10, 10, 0, 0]


def test_a_receive_that_brought_nothing_gives_back_its_credits():
    here = lane()
    asked = here.reserve(first=True)
    assert not here.empty

    here.landed(asked, [], first=True)

    assert here.empty


def test_no_partition_locks_up_the_room_of_the_others():
    here = lane(partitions=4)

    busy = [here.reserve(first=number == 0) for number in range(5)]
    idle = [here.reserve(first=True) for _ in range(3)]

    assert busy == [8, 0, 0, 0, 0]
    assert idle == [8, 8, 8]


def test_a_receive_asks_for_its_part_of_the_room_where_rooms_are_small():
    here = lane(partitions=2)
    for way in here.router.exits:
        way.room = 3

    assert [here.reserve(first=True) for _ in range(2)] == [3, 3]


def test_a_long_poll_from_before_the_rooms_shrank_holds_no_more_than_its_part():
    here = lane(partitions=2)
    assert here.reserve(first=True) == 10
    for way in here.router.exits:
        way.room = 4

    assert here.reserve(first=True) == 4


def test_one_message_may_be_asked_for_however_small_the_rooms():
    here = lane(desk(weights=["ses"]), partitions=2)
    here.router.exit("ses").room = 1

    assert [here.reserve(first=True) for _ in range(3)] == [1, 1, 0]  # each queue is read


def test_nothing_is_received_while_the_bytes_in_hand_leave_no_room_for_ten_more():
    ours = desk(max_bytes=12 * MEBIBYTE)
    here = lane(ours)
    large = letter(body="x" * MEBIBYTE)
    (settled,) = deliver(here, large)

    assert here.reserve(first=True) == 10
    assert here.reserve(first=False) == 0

    put_away(ours, settled)
    assert here._bytes == 0


# -- whatever happens -----------------------------------------------------------------------------

PLACES = st.sampled_from([(0, "q1"), (0, "q2"), (1, "q1"), (1, "q2")])
"""Two workers, each with a partition of two queues."""
LANES = st.integers(0, 1)
OUTCOMES = st.sampled_from(["accepted", "accepted", "accepted", "failed", None, *OutcomeClass])
UNREADABLE = "z"
ON_THE_QUEUES = "aabbcdefghzz"
"""Message ids; of some there are two copies."""


class AtTheDesk(RuleBasedStateMachine):
    """Two workers, two queues with copies that show again whenever they like, and any outcomes."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.desk = desk(clock=self.clock)
        self.lanes = [lane(self.desk, index, partitions=2) for index in range(2)]
        self.copies = {f"sqs-{number}": id_ for number, id_ in enumerate(ON_THE_QUEUES)}
        self.receives, self.sent, self.settling = [], [[], []], []
        self.handles, self.newest = 0, {}  # newest handle of each copy that is in hand
        self.in_flight, self.accepted, self.buried = Counter(), set(), set()

    @rule(place=PLACES)
    def open_receive(self, place):
        here = self.lanes[place[0]]
        first = place not in {at for at, _, was_first in self.receives if was_first}

        granted = here.reserve(first=first)

        if granted:
            may_take = here.router.ready(self.clock.now) or here.router.exits
            # What other partitions' long polls held before the rooms shrank does not count.
            long_polls = sum(
                asked for at, asked, was_first in self.receives if was_first and at[0] == place[0]
            )
            assert sum(way.free for way in may_take) >= here._unrouted - long_polls
            self.receives.append((place, granted, first))

    @precondition(lambda self: self.receives)
    @rule(skip=st.integers(0, 11), most=st.integers(0, 10))
    def receive(self, skip, most):
        (index, queue), asked, first = self.receives.pop(0)
        known = sorted(self.copies)
        picked = (known[skip:] + known[:skip])[: min(asked, most)]
        letters = [self.letter(one, index, queue) for one in picked]
        self.lanes[index].landed(asked, letters, first=first)
        self.read_and_route(index, letters)

    @rule(place=PLACES, skip=st.integers(0, 11), most=st.integers(1, 10))
    def open_and_receive(self, place, skip, most):
        self.open_receive(place)
        if self.receives:
            self.receive(skip, most)

    def letter(self, known, index, queue):
        self.handles += 1
        self.newest[known] = f"handle {self.handles}"
        unreadable = {"body": "no JSON"} if self.copies[known] == UNREADABLE else {}
        return letter(
            self.copies[known],
            queue_message_id=known,
            handle=self.newest[known],
            lane=index,
            queue=queue,
            sent_at=self.clock.now - 60,
            **unreadable,
        )

    def read_and_route(self, index, letters):
        read = self.lanes[index].read(letters)
        routed = self.lanes[index].route([one for one in read if isinstance(one, Letter)])
        self.settling += [one for one in read + routed if isinstance(one, Settlement)]
        for one in routed:
            if isinstance(one, Routed):
                self.send(index, one)

    def send(self, index, routed):
        self.in_flight[routed.letter.id] += 1
        assert self.in_flight[routed.letter.id] == 1
        assert routed.letter.id not in self.accepted
        assert routed.letter.receipts[0].queue_message_id not in self.buried
        self.sent[index].append(routed)

    @precondition(lambda self: any(self.sent))
    @rule(index=LANES, kind=OUTCOMES, number=st.integers(1, 9))
    def come_back(self, index, kind, number):
        back, self.sent[index] = self.sent[index][:number], self.sent[index][number:]
        if kind == "accepted":
            self.accepted |= {one.letter.id for one in back}
        self.settling += self.lanes[index].judge([attempt(one, kind) for one in back])

    @precondition(lambda self: self.settling)
    @rule(number=st.integers(1, 9), confirmed=st.booleans())
    def settle(self, number, confirmed):
        now, self.settling = self.settling[:number], self.settling[number:]
        for settlement in now:
            self.carry_out(settlement, confirmed=confirmed)

    def carry_out(self, settlement, *, confirmed):
        one, decision = settlement.letter, settlement.decision
        if isinstance(decision, DeadLetter) and one.receipts[0].handle[-1] in "02468":
            self.desk.buried(one)
            self.buried |= {receipt.queue_message_id for receipt in one.receipts}
            decision = Delete()
        self.in_flight[one.id] -= one.provider is not None
        for receipt in list(one.receipts):
            if isinstance(decision, Delete):
                self.delete(receipt, one.id, confirmed=confirmed)
            if self.newest.get(receipt.queue_message_id) == receipt.handle:
                del self.newest[receipt.queue_message_id]
            self.desk.put_away([(one, receipt)])

    def delete(self, receipt, message_id, *, confirmed):
        assert message_id in self.accepted or receipt.queue_message_id in self.buried
        if confirmed:  # else its handle had expired: the copy shows again
            self.copies.pop(receipt.queue_message_id, None)

    @rule(name=st.sampled_from(BOTH), healthy=st.sampled_from([True, True, True, False]))
    def publish(self, name, healthy):
        verdict = self.lanes[0].router.exit(name).verdict + 1
        self.desk.publish(name, healthy=healthy, verdict=verdict)

    @rule(seconds=st.sampled_from([1.0, 60.0, 1_000.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @invariant()
    def the_newest_handle_of_each_copy_in_hand_is_kept(self):
        letters = [one.letter for one in [*self.sent[0], *self.sent[1], *self.settling]]
        kept = [handle for one in letters for handle in handles(one)]
        assert set(self.newest.values()) <= set(kept)
        for one in letters:
            known = [receipt.queue_message_id for receipt in one.receipts]
            assert len(known) == len(set(known))

    @invariant()
    def nothing_is_given_back_twice(self):
        for here in self.lanes:
            assert here._unrouted >= 0
            assert here._bytes >= 0
            assert here._read_now >= 0
            assert all(way.in_hand >= 0 for way in here.router.exits)

    def teardown(self):
        for (index, _), asked, first in self.receives:
            self.lanes[index].landed(asked, [], first=first)
        for index, here in enumerate(self.lanes):
            self.settling += here.judge([attempt(one, "failed") for one in self.sent[index]])
        for settlement in self.settling:
            self.carry_out(settlement, confirmed=False)
        self.hands_are_empty()

    def hands_are_empty(self):
        assert self.desk._in_hand == {}
        for here in self.lanes:
            assert here.empty
            assert (here._unrouted, here._bytes, here._read_now) == (0, 0, 0)


AtTheDesk.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, derandomize=True
)
TestAtTheDesk = AtTheDesk.TestCase


# -- what once went wrong -------------------------------------------------------------------------


def test_a_twin_of_a_buried_message_is_buried_and_not_sent():
    ours = desk()
    here = lane(ours)
    bury(ours, here)

    (twin,) = deliver(here, letter(queue_message_id="twin", sent_at=5.0))

    assert (twin.decision.reason, twin.provider) == ("refused", None)


def test_one_message_whose_failures_a_throttle_parts_counts_once():
    ours = desk()
    here = lane(ours)
    signs = []
    for kind in ("failed", "throttled", "failed"):
        here.router.exit("sendgrid").paused_until = 1e9
        here.router.exit("ses").paused_until = -1.0
        (judged,) = judge(here, route(here, letter(handle=kind + str(len(signs)))), kind)
        put_away(ours, judged)
        signs.append(judged.observation)

    assert [one is not None for one in signs] == [True, False, False]


def test_after_a_large_message_a_lane_with_empty_hands_still_reads():
    ours = desk(max_bytes=2 * 1_048_576)
    here = lane(ours)
    (one,) = deliver(here, letter(body="x" * 1_048_576))
    put_away(ours, one)

    assert here.empty
    assert here.reserve(first=True) >= 1


def test_bodies_beyond_the_memory_of_the_process_are_given_back():
    ours = desk(max_bytes=2_000)
    here = lane(ours)
    asked = here.reserve(first=True)

    excess = here.landed(
        asked, [letter(str(n), body="x" * 1_500) for n in range(2)][:asked], first=True
    )

    assert [one.id for one in excess] == (["sqs-1"] if asked > 1 else [])
