"""The plainest market maker: both sides equally far from the mid, whatever the position."""

from dataclasses import dataclass
from typing import ClassVar

from strategies.strategy import Quote, View, check_not_negative, check_positive, quote_around
from strategies.tuning import Range


@dataclass
class SymmetricMaker:
    """Quote mid -+ half_spread, rounded outwards.

    The benchmark of Avellaneda and Stoikov, "High-frequency trading in a limit order book" (2008),
    section 3.3: it earns the spread and carries whatever position comes of it.
    """

    half_spread: float = 1.5  # ticks
    quantity: int = 3  # lots a side
    position_max: int = 50  # lots

    SEARCH: ClassVar[dict[str, Range]] = {
        "half_spread": Range(0.0, 6.0),
        "quantity": Range(1, 10),
        "position_max": Range(1, 100, log=True),
    }

    def __post_init__(self) -> None:
        check_not_negative(half_spread=self.half_spread)
        check_positive(quantity=self.quantity, position_max=self.position_max)

    def prices(self, mid: float) -> tuple[float, float]:
        """Continuous bid and ask price in ticks."""
        return mid - self.half_spread, mid + self.half_spread

    def decide(self, view: View) -> Quote:
        bid, ask = self.prices(view.mid)
        return quote_around(view, bid, ask, self.quantity, self.position_max)
