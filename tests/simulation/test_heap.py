"""Mail that only one provider can carry, in front of everybody's: it must stop nobody else's."""

from dataclasses import replace

import pytest

from benchmarks.simulation.scripts import down, up
from benchmarks.simulation.world import PLAIN, World
from flows.desk import Rules
from gomail.exits import OutletRules

PINNED = replace(PLAIN, subject="pinned")
HOUR = 3_600


def world(ses, **rules):
    """SES alone can carry what is pinned; both carry the rest."""
    made = World(
        {"ses": ses, "sendgrid": up},
        Rules(outlets={"ses": OutletRules(**rules), "sendgrid": OutletRules()}),
    )
    made.desk.able = lambda email: (
        frozenset({"ses"}) if email.subject == "pinned" else made.desk.all
    )
    return made


def waiting(made, *, pinned):
    return [
        held for held in made.queue.all if ('"pinned"' in held.body) is pinned and not held.gone
    ]


@pytest.mark.parametrize("rules", [{}, {"rate": 1.0}], ids=["dead", "one a second"])
def test_a_heap_that_hardly_anybody_can_take_stops_no_other_mail(rules):
    made = world(up if rules else down(0, HOUR), **rules)
    made.at(0.0, lambda: made.queue.put(PINNED, 600))
    made.arrive(5, start=0.0, end=120)

    made.run(120)

    assert len(waiting(made, pinned=False)) <= 10
    assert max(held.receives for held in made.queue.all) <= 20
    made.close()


def test_what_only_one_provider_can_carry_goes_out_once_that_is_back():
    """Though every one of them was tried there: each may be a probe."""
    made = world(down(0, 120))
    made.at(0.0, lambda: made.queue.put(PINNED, 30))

    made.run(120 + HOUR)

    assert waiting(made, pinned=True) == []
    made.close()
