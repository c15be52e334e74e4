"""How every account's pnl has moved lately, for whoever looks at the leaderboard."""

from collections import deque

from exchange.messages.requests import EQUITY_POINTS_MAX
from exchange.server.answers import pnl
from exchange.server.venue import Venue


class EquityHistory:
    """The newest points of every account's pnl, in millionths of a tick-lot."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._points: dict[int, deque[int]] = {}

    def take(self) -> None:
        """Note a point for every account; called once a second."""
        for number, account in self.venue.accounts.items():
            points = self._points.setdefault(number, deque(maxlen=EQUITY_POINTS_MAX))
            points.append(pnl(self.venue, account))

    def newest(self, count: int) -> dict[int, list[int]]:
        """At most `count` points of each account, oldest first."""
        if count == 0:
            return {}
        return {number: list(points)[-count:] for number, points in self._points.items()}
