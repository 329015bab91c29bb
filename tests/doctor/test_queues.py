"""What is said of a queue, from what it says of itself."""

import pytest

from gomail.doctor.queues import judge_dead_letters, judge_queue, titles
from gomail.errors import QueueRefused, QueueUnavailable
from gomail.providers import Level
from gomail.queue.sqs import CLOCK_IS_OFF
from tests.doctor.scene import (
    DAY,
    DEAD_ARN,
    DEAD_URL,
    URL,
    dead_letters,
    described,
    levels,
    settings,
)


def of_queue(*, dead=None, known=None, **given):
    """What is not well of a queue that is not as it should be."""
    findings = judge_queue(
        described(**given), dead or dead_letters(), url=URL, settings=known or settings()
    )
    return [one for one in findings if one.level is not Level.OK]


def of_dead_letters(*queues, **given):
    findings = judge_dead_letters(
        dead_letters(**given), queues or [described()], url=DEAD_URL, settings=settings()
    )
    return [one for one in findings if one.level is not Level.OK]


def of_failure(error):
    [finding] = judge_queue(error, dead_letters(), url=URL, settings=settings())
    return finding


def test_of_a_queue_as_it_should_be_everything_is_well():
    findings = judge_queue(described(), dead_letters(), url=URL, settings=settings())

    assert levels(findings) == {Level.OK}
    assert findings[0].text == "about 12 waiting, 3 in hand or returned with a delay, 1 delayed"


def test_of_a_dead_letter_queue_as_it_should_be_everything_is_well():
    assert of_dead_letters() == []


def test_a_queue_without_a_redrive_policy_is_told_which_to_set():
    [finding] = of_queue(dead_letter_arn="", max_receives=0)

    assert finding.level is Level.BAD
    assert "no redrive policy" in finding.text
    assert f'{{"deadLetterTargetArn": "{DEAD_ARN}", "maxReceiveCount": "1000"}}' in finding.mend


def test_a_redrive_to_another_queue_than_the_configured_one_is_bad():
    [finding] = of_queue(dead_letter_arn="arn:aws:sqs:eu-west-1:123456789012:elsewhere")

    assert finding.level is Level.BAD
    assert "elsewhere, which is not queues.dead_letter" in finding.text
    assert DEAD_ARN in finding.mend


def test_a_queue_of_the_same_name_in_another_account_is_another_queue():
    [finding] = of_queue(dead_letter_arn="arn:aws:sqs:eu-west-1:999999999999:dead")

    assert finding.level is Level.BAD


def test_a_redrive_that_nothing_can_be_compared_with_is_left_alone():
    assert of_queue(dead=QueueUnavailable("no answer"), dead_letter_arn="arn:any") == []


@pytest.mark.parametrize(
    ("receives", "level"), [(10, Level.BAD), (99, Level.BAD), (100, Level.NOTE), (229, Level.NOTE)]
)
def test_few_receives_before_a_redrive_cost_mail_in_an_outage(receives, level):
    [finding] = of_queue(max_receives=receives)

    assert finding.level is level
    assert "an outage of a day takes about 230" in finding.text
    assert "1000" in finding.mend


def test_receives_enough_for_a_day_are_well():
    assert of_queue(max_receives=230) == []


def test_a_queue_that_forgets_before_mail_is_given_up_is_bad():
    [finding] = of_queue(retention=DAY)

    assert finding.level is Level.BAD
    assert "forgets a message after 1 day" in finding.text


def test_a_queue_that_keeps_a_little_longer_than_mail_is_tried_is_well():
    assert of_queue(retention=DAY + 1) == []


def test_a_short_visibility_of_the_queue_itself_is_a_note():
    [finding] = of_queue(visibility=29)

    assert finding.level is Level.NOTE
    assert "set its VisibilityTimeout to 60" in finding.mend


def test_a_queue_too_small_for_the_largest_request_is_a_note_with_what_becomes_of_it():
    [plain] = of_queue(max_message_bytes=100_000)
    [kept] = of_queue(max_message_bytes=100_000, known=settings(payloads={"bucket": "emails"}))

    assert (plain.level, kept.level) == (Level.NOTE, Level.NOTE)
    assert plain.text.endswith("what does not fit is a 422")
    assert kept.text.endswith("what does not fit goes through the bucket")


def test_a_fifo_queue_is_bad():
    assert levels(of_queue(fifo=True)) == {Level.BAD}


def test_a_queue_that_delays_every_message_is_a_note():
    [finding] = of_queue(delay=90)

    assert "by 90 s" in finding.text


def test_dead_letters_that_wait_are_a_note():
    [finding] = of_dead_letters(waiting=6, hidden=1)

    assert finding.level is Level.NOTE
    assert "about 7 dead letters" in finding.text


def test_a_dead_letter_queue_that_forgets_sooner_than_a_queue_is_bad():
    [finding] = of_dead_letters(described(), described(retention=5 * DAY), retention=4 * DAY)

    assert finding.level is Level.BAD
    assert "keeps a message for 4 days, a queue for 5 days" in finding.text


def test_a_dead_letter_queue_that_keeps_as_long_as_the_queues_is_well():
    assert of_dead_letters(retention=4 * DAY) == []


def test_a_dead_letter_queue_that_takes_less_than_a_queue_is_bad():
    assert levels(of_dead_letters(max_message_bytes=262_144)) == {Level.BAD}


def test_queues_that_cannot_be_asked_say_nothing_against_the_dead_letter_queue():
    assert of_dead_letters(QueueUnavailable("no answer")) == []


def test_a_queue_that_is_missing_is_named_with_the_setting():
    finding = of_failure(QueueRefused("…", code="QueueDoesNotExist"))

    assert (finding.level, finding.text) == (Level.BAD, "does not exist")
    assert "queues.urls" in finding.mend
    assert "eu-west-1" in finding.mend


def test_a_missing_dead_letter_queue_is_named_with_its_own_setting():
    error = QueueRefused("…", code="QueueDoesNotExist")

    [finding] = judge_dead_letters(error, [described()], url=DEAD_URL, settings=settings())

    assert finding.level is Level.BAD
    assert "queues.dead_letter" in finding.mend


def test_a_refused_key_is_told_from_a_missing_right():
    key = of_failure(QueueRefused("…", code="InvalidClientTokenId"))
    right = of_failure(QueueRefused("…", code="AccessDenied"))

    assert "credentials are refused" in key.text
    assert right.mend == "allow these credentials sqs:GetQueueAttributes"


def test_a_wrong_clock_is_not_taken_for_a_wrong_key():
    sentence = f"GetQueueAttributes at {URL}: Signature expired; {CLOCK_IS_OFF}"

    finding = of_failure(QueueUnavailable(sentence, code="InvalidSignatureException"))
    legacy = of_failure(QueueUnavailable(sentence, code="SignatureDoesNotMatch"))

    assert finding.mend == legacy.mend == "set this machine's clock, best by NTP"


def test_a_queue_that_is_not_reached_says_why_once():
    finding = of_failure(QueueUnavailable(f"GetQueueAttributes at {URL}: no connection in time"))

    assert finding.text == "cannot be reached: no connection in time"


def test_a_queue_is_called_by_the_end_of_its_url_where_that_is_enough():
    a, b, c = "https://one/1/emails", "https://two/1/emails", "https://one/1/dead"

    assert titles([a, b, c]) == {a: a, b: b, c: "dead"}
