"""The queue against a naive model of it, with a clock that the test moves."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sandbox.attributes import Settings
from sandbox.errors import Refused
from sandbox.message import Message, State
from sandbox.queue import MAX_IN_FLIGHT, Queue

MAX_RECEIVES = 3
TWELVE_HOURS = 43_200


class Recorder:
    """A journal that keeps what a store would keep."""

    def __init__(self):
        self.kept = {}

    def added(self, queue, message):
        self.kept[message.seq] = (queue.uid, replace(message))

    def changed(self, message):
        self.kept[message.seq] = (self.kept[message.seq][0], replace(message))

    def removed(self, message):
        del self.kept[message.seq]

    def emptied(self, queue):
        self.kept = {seq: pair for seq, pair in self.kept.items() if pair[0] != queue.uid}


@dataclass
class Expected:
    """What the model knows of a message that is on the queue."""

    hidden_until: float = 0.0
    in_flight: bool = False
    receives: int = 0
    received_at: float = 0.0
    handles: list = field(default_factory=list)


def message(seq, now=0.0):
    return Message(seq, f"id-{seq}", "body", "md5", None, None, None, int(now * 1000))


def queue(journal=None, uid="mail", **attributes):
    values = {name: str(value) for name, value in attributes.items()}
    return Queue(uid, Settings(uid, 0, 0, values), journal or Recorder())


def redriving(journal):
    dead = queue(journal, uid="dead")
    policy = f'{{"deadLetterTargetArn": "x:dead", "maxReceiveCount": {MAX_RECEIVES}}}'
    made = queue(journal, RedrivePolicy=policy)
    made.dead_letters = dead
    return made, dead


class QueueMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 1_000_000.0
        self.seq = 0
        self.journal = Recorder()
        self.queue, self.dead = redriving(self.journal)
        self.model = {}
        self.dead_seqs = set()
        self.old_handles = []

    def visible(self):
        return {seq for seq, e in self.model.items() if e.hidden_until <= self.now}

    def a_handle(self, data):
        newest = [(e.handles[-1], seq) for seq, e in self.model.items() if e.handles]
        current = [(h, seq) for seq, e in self.model.items() for h in e.handles]
        kinds = [kind for kind in (newest, newest, current, self.old_handles) if kind]
        return data.draw(st.sampled_from(data.draw(st.sampled_from(kinds))))

    @rule(delay=st.sampled_from([0, 0, 1, 5, 900]))
    def send(self, delay):
        self.seq += 1
        self.queue.send(message(self.seq, self.now), self.now, delay)
        self.model[self.seq] = Expected(self.now + delay if delay else 0.0)

    @rule(limit=st.integers(1, 10), visibility=st.sampled_from([0, 1, 5, 30, TWELVE_HOURS]))
    def receive(self, limit, visibility):
        visible = self.visible()
        exhausted = {seq for seq in visible if self.model[seq].receives == MAX_RECEIVES}

        taken = self.queue.receive(self.now, limit, visibility)

        seqs = [m.seq for m in taken]
        assert len(set(seqs)) == len(seqs)
        assert set(seqs) <= visible - exhausted
        assert len(seqs) == min(limit, len(visible - exhausted))
        self.note_dead(exhausted, all_of_them=len(seqs) < limit)
        for m in taken:
            self.note_received(m, visibility)

    def note_dead(self, exhausted, *, all_of_them):
        moved = {seq for seq in exhausted if self.journal.kept[seq][0] == "dead"}
        assert moved == exhausted or not all_of_them
        for seq in moved:
            self.old_handles += [(handle, None) for handle in self.model.pop(seq).handles]
        self.dead_seqs |= moved

    def note_received(self, m, visibility):
        e = self.model[m.seq]
        e.receives += 1
        e.received_at = self.now
        e.in_flight = visibility > 0
        e.hidden_until = self.now + visibility if visibility else 0.0
        e.handles.append(self.queue.handle(m))
        assert m.receives == e.receives

    @precondition(lambda self: self.old_handles or any(e.handles for e in self.model.values()))
    @rule(data=st.data())
    def delete(self, data):
        handle, seq = self.a_handle(data)
        newest = seq in self.model and handle == self.model[seq].handles[-1]
        if newest and self.now - self.model[seq].received_at > TWELVE_HOURS:
            with pytest.raises(Refused, match="expired"):
                self.queue.delete(handle, self.now)
            return
        self.queue.delete(handle, self.now)
        if newest:
            self.old_handles += [(h, None) for h in self.model.pop(seq).handles]

    @precondition(lambda self: self.old_handles or any(e.handles for e in self.model.values()))
    @rule(data=st.data(), seconds=st.sampled_from([0, 1, 30, 40_000, TWELVE_HOURS]))
    def change_visibility(self, data, seconds):
        handle, seq = self.a_handle(data)
        e = self.model.get(seq)
        flying = e and e.in_flight and e.hidden_until > self.now and handle == e.handles[-1]
        if not flying or self.now + seconds > e.received_at + TWELVE_HOURS:
            with pytest.raises(Refused):
                self.queue.change_visibility(handle, self.now, seconds)
            return
        self.queue.change_visibility(handle, self.now, seconds)
        e.hidden_until = self.now + seconds if seconds else 0.0
        e.in_flight = seconds > 0

    @rule(seconds=st.sampled_from([0.5, 1, 4, 30, 901, 50_000]))
    def time_passes(self, seconds):
        if self.now + seconds < 1_000_000 + 300_000:  # within the retention
            self.now += seconds

    @rule()
    def purge(self):
        self.queue.purge()
        for e in self.model.values():
            self.old_handles += [(h, None) for h in e.handles]
        self.model.clear()

    @rule()
    def restart(self):
        kept = sorted(self.journal.kept.items())
        self.queue, self.dead = redriving(self.journal)
        for _, (uid, m) in kept:
            (self.queue if uid == "mail" else self.dead).restore(replace(m))

    @invariant()
    def counts_are_exact(self):
        self.queue.settle(self.now)
        hidden = [e for e in self.model.values() if e.hidden_until > self.now]
        assert self.queue.ready == len(self.visible())
        assert self.queue.in_flight == sum(e.in_flight for e in hidden)
        assert self.queue.delayed == sum(not e.in_flight for e in hidden)
        assert self.dead.ready == len(self.dead_seqs)

    @invariant()
    def the_next_due_is_the_earliest(self):
        hidden = [e.hidden_until for e in self.model.values() if e.hidden_until > self.now]
        assert self.queue.next_due() == min(hidden, default=None)


QueueMachine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestQueueAgainstItsModel = QueueMachine.TestCase


def test_a_message_older_than_the_retention_is_not_received():
    mail = queue(MessageRetentionPeriod=60)
    mail.send(message(1, now=100.0), 100.0, 0)

    assert mail.receive(160.0, 10, 30) == []
    assert mail.ready == 0


def test_a_garbage_handle_is_refused_by_name():
    with pytest.raises(Refused) as refused:
        queue().delete("bm90IGEgaGFuZGxl", 0.0)

    assert refused.value.code == "ReceiptHandleIsInvalid"


def test_the_handle_of_another_queue_is_refused():
    other, mail = queue(uid="other"), queue()
    other.send(message(1), 0.0, 0)
    (taken,) = other.receive(0.0, 1, 30)

    with pytest.raises(Refused, match="receipt handle"):
        mail.delete(other.handle(taken), 0.0)


def test_no_more_than_120_000_messages_are_in_flight():
    mail = queue()
    for seq in range(MAX_IN_FLIGHT + 1):
        mail.send(message(seq), 0.0, 0)
    while mail.receive(0.0, 10, 30):
        pass

    assert (mail.in_flight, mail.ready, mail.receivable) == (MAX_IN_FLIGHT, 1, 0)


def test_what_deleted_messages_leave_behind_is_swept_out():
    mail = queue()
    for seq in range(1000):
        mail.send(message(seq), 0.0, 0)
        (taken,) = mail.receive(0.0, 1, TWELVE_HOURS)
        mail.delete(mail.handle(taken), 0.0)

    assert len(mail._hidden) < 100


def test_messages_deleted_while_they_are_ready_leave_nothing_behind():
    mail = queue()
    for seq in range(1000):
        mail.send(message(seq), 0.0, 0)
    taken = [m for _ in range(100) for m in mail.receive(0.0, 10, 30)]

    for m in taken[:-1]:
        mail.delete(mail.handle(m), 30.0)
    (last,) = mail.receive(30.0, 10, 0)

    assert (last, mail.ready, len(mail._ready)) == (taken[-1], 1, 1)


def test_a_queue_whose_messages_are_only_deleted_when_ready_again_does_not_grow():
    mail = queue()
    for seq in range(1000):
        mail.send(message(seq), 0.0, 0)
        mail._ready.rotate(1)  # so that what is deleted next is not what a receive would skip
        (taken,) = mail.receive(0.0, 1, 0)
        mail.delete(mail.handle(taken), 0.0)

    assert len(mail._ready) < 100
    assert mail.receive(0.0, 1, 30) == []


def test_a_message_that_moved_is_no_longer_this_queue_s_though_it_was_due_here_once():
    mail, dead = redriving(Recorder())
    mail.send(message(1), 0.0, 0)
    (taken,) = mail.receive(0.0, 1, 30)
    mail.change_visibility(mail.handle(taken), 0.0, 0)
    for _ in range(MAX_RECEIVES):
        mail.receive(0.0, 1, 0)
    assert dead.receive(0.0, 1, 30)

    mail.settle(30.0)

    assert (mail.ready, mail.in_flight) == (0, 0)


def test_a_dead_letter_keeps_its_time_of_sending_and_its_count():
    mail, dead = redriving(Recorder())
    mail.send(message(1, now=5.0), 5.0, 0)
    for _ in range(MAX_RECEIVES):
        mail.receive(6.0, 1, 0)
    mail.receive(6.0, 1, 0)

    (taken,) = dead.receive(7.0, 1, 30)

    assert (taken.sent_ms, taken.receives, taken.state) == (5000, MAX_RECEIVES + 1, State.IN_FLIGHT)
