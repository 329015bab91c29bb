"""Which lines of a child's log are shown."""

from gomail.local.child import Filter

TRACEBACK = [
    "2031-01-02 03:04:05,678 ERROR   flows.dispatch: the dataflow ends: a step raised",
    "Traceback (most recent call last):",
    "ValueError: no",
]


def shown(*lines):
    log = Filter()
    return [line for line in lines if log.shows(line)]


def test_warnings_and_errors_of_ours_and_of_uvicorn_are_shown():
    ours = "2031-01-02 03:04:05,678 WARNING gomail.queue.sqs: slow"
    uvicorn = "ERROR:    Application startup failed. Exiting."

    assert shown(ours, uvicorn) == [ours, uvicorn]


def test_information_is_not_shown_even_if_it_speaks_of_errors():
    assert shown("2031-01-02 03:04:05,678 INFO    flows: ERROR 500", "INFO:     Started") == []


def test_a_traceback_is_shown_with_its_record():
    assert shown(*TRACEBACK) == TRACEBACK


def test_what_follows_information_is_not_shown():
    assert shown("INFO:     two", "lines") == []
