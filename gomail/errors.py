"""Every error gomail raises, sorted by what its catcher does about it.

```
GomailError
├── ConfigurationError     refuse to start; the text names the key and the remedy
├── QueueError             the queue did not do what was asked
│   ├── QueueUnavailable   try again later or at another queue (throttled, 5xx, network)
│   └── QueueRefused       asking again changes nothing (missing queue, access denied, bad input)
└── TransportError         one HTTP exchange did not complete
    ├── NotSent            nothing of the request can have been acted on
    │   └── Exhausted      because this process has no file descriptor left
    └── MaybeSent          the request may have been acted on: its outcome is unknown
```

What a provider answers is an `Outcome`, never an exception. What is wrong with an email is data
(`gomail.email.Faults`), never an exception either.
"""

import errno


class GomailError(Exception):
    """Base of all errors of gomail."""


class ConfigurationError(GomailError):
    """The process must not start. The text names each key and says what to do."""


class QueueError(GomailError):
    """The queue did not do what was asked; `code` is the service's own code, or empty."""

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class QueueUnavailable(QueueError):
    """The queue may do it later: throttled, a fault of the service, or not reached."""


class QueueRefused(QueueError):
    """The queue will not do it however often it is asked."""


class TransportError(GomailError):
    """One HTTP exchange did not complete."""


NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
"""What the system says where a process, or the machine, may open nothing more."""


class NotSent(TransportError):
    """Certainly not acted on: refused, no such host, no TLS, no connection in time."""


class Exhausted(NotSent):
    """Not acted on because this process may open no further connection: nobody else's fault."""


class MaybeSent(TransportError):
    """Possibly acted on: a time-out or a break after the first byte was written."""
