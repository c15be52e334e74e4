"""What can go wrong between a trader and the exchange, for whoever can do something about it.

ExchangeError                everything below
|- Unreachable               no server there, or the connection is lost: reconnect
|- Refused                   the exchange said no: code, field and limit say why
|  |- NotAuthorized          wrong key, signature or clock: give up
|  `- UnknownSymbol          no such market: give up
|- FeedBroken                the book cannot be trusted: subscribe again
|  |- FeedGap                a change is missing, or the server is another one now
|  `- ChecksumWrong          all changes came, yet the book differs
|- StartedAnew               the server no longer knows the account's history: start over
|- TooSlow                   this program does not keep up with its own messages
`- Unreadable                an answer that does not follow docs/PROTOCOL.md: a bug, theirs or ours
"""

from typing import Any


class ExchangeError(Exception):
    """Anything that can go wrong between a trader and the exchange."""


class Unreachable(ExchangeError):
    """No server there, or the connection to it is lost."""


class Refused(ExchangeError):
    """The exchange understood and said no."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.code = str(error.get("code", "unknown"))
        self.field = error.get("field")
        self.limit = error.get("limit")
        self.retryable = bool(error.get("retryable"))
        super().__init__(f"{self.code}: {error.get('message', '')}")


class NotAuthorized(Refused):
    """Wrong key, signature or clock."""


class UnknownSymbol(Refused):
    """No such market."""


class FeedBroken(ExchangeError):
    """The rebuilt book cannot be trusted any more: subscribe again."""


class FeedGap(FeedBroken):
    """A change is missing, or the server has started anew."""


class ChecksumWrong(FeedBroken):
    """All changes came, yet the book differs from the server's."""


class StartedAnew(ExchangeError):
    """The server no longer knows this account's history, so no run can go on."""


class TooSlow(ExchangeError):
    """The trader's program does not keep up with its own messages."""


class Unreadable(ExchangeError):
    """An answer that does not follow docs/PROTOCOL.md."""


AUTHORIZATION_CODES = frozenset(
    ("unauthenticated", "bad_signature", "stale_timestamp", "replayed", "forbidden")
)


def refusal(error: dict[str, Any]) -> Refused:
    """The exception for an error object of the wire."""
    code = error.get("code")
    if code in AUTHORIZATION_CODES:
        return NotAuthorized(error)
    if code == "unknown_symbol":
        return UnknownSymbol(error)
    return Refused(error)
