"""A random taker: market orders at random times in random directions, without any opinion."""

from dataclasses import dataclass, field
from math import expm1
from random import Random
from typing import ClassVar

from strategies.strategy import Quote, Take, View, check_positive
from strategies.tuning import Range


@dataclass
class RandomTaker:
    """Take at the best price at Poisson times: the "zero intelligence" of Gode and Sunder (1993).

    What it loses is what a trade costs in this market: the yardstick for every other taker, and a
    customer for makers. Its random numbers are its own: same seed and views, same orders.
    """

    rate: float = 0.5  # orders per second of market time
    quantity: int = 2  # lots, at most; the smallest is 1
    position_max: int = 20  # lots, either way
    seed: int = 0

    SEARCH: ClassVar[dict[str, Range]] = {
        "rate": Range(0.01, 2.0, log=True),
        "quantity": Range(1, 5),
    }

    _random: Random = field(init=False, repr=False)
    _time_ns: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        check_positive(rate=self.rate, quantity=self.quantity, position_max=self.position_max)
        self._random = Random(self.seed)

    def decide(self, view: View) -> Quote:
        elapsed_s = 0.0 if self._time_ns is None else (view.time_ns - self._time_ns) / 1e9
        self._time_ns = view.time_ns
        # the same three draws for each view, so that what is taken does not shift later draws
        acts = self._random.random() < -expm1(-self.rate * elapsed_s)
        is_buy = self._random.random() < 0.5
        quantity = self._random.randint(1, self.quantity)
        return Quote(take=self._take(view, is_buy, quantity) if acts else None)

    def _take(self, view: View, is_buy: bool, quantity: int) -> Take | None:
        levels = view.asks if is_buy else view.bids
        room = self.position_max - (view.position if is_buy else -view.position)
        if not levels or room <= 0:
            return None
        return Take(is_buy, levels[0][0], min(quantity, room))
