"""Market time: a multiple of wall time, or standing still between the steps of lockstep."""

from collections.abc import Callable
from typing import Literal, Protocol

from exchange.server.venue import Venue

# Market time never moves by more than this much wall time at once. A server that was stopped for a
# while, or cannot keep up with its speed, lets the market's clock slip instead of blocking.
GAP_NS_MAX = 50_000_000
# Commands that come within so much time (of the wall, and of the market) stand at one moment. A turn
# of the participants costs a sixth of an order's work in Python, and they act some forty times a second.
GRAIN_NS = 500_000


class Clock(Protocol):
    """What the rest of the server asks of either clock."""

    mode: Literal["wall", "lockstep"]
    speed: float
    paused: bool

    def catch_up(self) -> None:
        """Let the participants trade up to the present; before every command."""

    def timer_ns(self) -> int:
        """The time that dead-man timers run on."""


class WallClock:
    """Market time runs with the machine's monotonic clock, `speed` times as fast."""

    mode: Literal["wall", "lockstep"] = "wall"

    def __init__(self, venue: Venue, speed: float, monotonic_ns: Callable[[], int]) -> None:
        self.venue = venue
        self.speed = speed
        self.paused = False
        self.held = False  # the journal cannot take what would happen
        self._monotonic_ns = monotonic_ns
        self._last_ns = monotonic_ns()
        self._origins = [int(now_ns) for now_ns in venue.now_ns]
        self._elapsed_ns = 0.0  # market time since then
        self._grain_ns = _grain_ns(speed)

    def catch_up(self) -> None:
        """Advance every market by the wall time since it was last advanced, if that is a grain."""
        wall_ns = self._monotonic_ns()
        gap_ns = wall_ns - self._last_ns
        if gap_ns < self._grain_ns:
            return
        self._last_ns = wall_ns
        if self.paused or self.held:
            return
        self._elapsed_ns += min(gap_ns, GAP_NS_MAX) * self.speed
        self._advance()

    def _advance(self) -> None:
        for row, origin_ns in enumerate(self._origins):
            self.venue.advance(row, origin_ns + int(self._elapsed_ns))

    def set(self, speed: float | None, paused: bool | None) -> None:
        """Change how time runs from now on."""
        self.catch_up()
        self.speed = self.speed if speed is None else speed
        self._grain_ns = _grain_ns(self.speed)
        self.paused = self.paused if paused is None else paused

    def step(self, step_ns: int) -> None:
        """Let a paused market move on by so much market time."""
        self._elapsed_ns += step_ns
        self._advance()

    def timer_ns(self) -> int:
        """Wall time: the timers guard against a client that is gone."""
        return self._monotonic_ns()


def _grain_ns(speed: float) -> float:
    """GRAIN_NS in wall time."""
    return GRAIN_NS / max(speed, 1.0)


class StandingClock:
    """Lockstep: time passes in whole steps only, taken by `Lockstep`."""

    mode: Literal["wall", "lockstep"] = "lockstep"
    speed = 0.0
    paused = False

    def __init__(self, venue: Venue) -> None:
        self.venue = venue

    def catch_up(self) -> None:
        """Nothing: the market stands still."""

    def timer_ns(self) -> int:
        """Market time, so that a session can be reproduced."""
        return int(self.venue.now_ns.max())
