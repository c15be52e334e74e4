"""A trend follower that takes: buys what has risen, sells what has fallen."""

from dataclasses import dataclass, field
from typing import ClassVar

from strategies.strategy import Quote, Take, View, check_not_negative, check_positive
from strategies.tuning import Range


@dataclass
class Momentum:
    """Hold +-quantity lots while a fast average of the mid lies beyond a slow one by `entry` ticks.

    The moving-average rule of Brock, Lakonishok and LeBaron, "Simple technical trading rules and
    the stochastic properties of stock returns", Journal of Finance 47 (1992), with their band, on
    the mid of a single market. It pays the spread on each turn.
    """

    fast_s: float = 2.0  # time constants of the two averages, seconds
    slow_s: float = 20.0
    entry: float = 1.5  # ticks of difference that open a position
    exit: float = 0.3  # ticks below which it is closed
    quantity: int = 5  # lots held

    SEARCH: ClassVar[dict[str, Range]] = {
        "fast_s": Range(0.5, 8.0, log=True),
        "slow_s": Range(8.5, 120.0, log=True),
        "entry": Range(0.5, 8.0),
        "exit": Range(0.0, 0.5),
        "quantity": Range(1, 10),
    }

    _fast: float | None = field(default=None, init=False, repr=False)
    _slow: float = field(default=0.0, init=False, repr=False)
    _time_ns: int = field(default=0, init=False, repr=False)
    _holding: int = field(default=0, init=False, repr=False)  # -1, 0 or 1

    def __post_init__(self) -> None:
        check_positive(fast_s=self.fast_s, slow_s=self.slow_s, quantity=self.quantity)
        check_not_negative(entry=self.entry, exit=self.exit)
        if self.fast_s >= self.slow_s:
            raise ValueError(f"fast_s {self.fast_s} must be below slow_s {self.slow_s}")
        if self.exit > self.entry:
            raise ValueError(f"exit {self.exit} must not be above entry {self.entry}")

    def decide(self, view: View) -> Quote:
        trend = self._trend(view)
        if abs(trend) > self.entry:
            self._holding = 1 if trend > 0 else -1
        elif trend * self._holding < self.exit:
            self._holding = 0
        return Quote(take=take_towards(view, self._holding * self.quantity))

    def _trend(self, view: View) -> float:
        """Fast less slow average of the mid, ticks."""
        if self._fast is None:
            self._fast = self._slow = view.mid
        elapsed_s = (view.time_ns - self._time_ns) / 1e9
        self._time_ns = view.time_ns
        self._fast += (view.mid - self._fast) * elapsed_s / (elapsed_s + self.fast_s)
        self._slow += (view.mid - self._slow) * elapsed_s / (elapsed_s + self.slow_s)
        return self._fast - self._slow


def take_towards(view: View, target: int) -> Take | None:
    """An order at the best opposite price that brings the position nearer to `target` lots."""
    lots = target - view.position
    levels = view.asks if lots > 0 else view.bids
    if lots == 0 or not levels:
        return None
    price, quantity = levels[0]
    return Take(is_buy=lots > 0, price=price, quantity=min(abs(lots), quantity))
