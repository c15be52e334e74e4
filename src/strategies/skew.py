"""Linear inventory skew: the quote leans against the position, in proportion to it."""

from dataclasses import dataclass
from typing import ClassVar

from strategies.strategy import Quote, View, check_not_negative, check_positive, quote_around
from strategies.tuning import Range


@dataclass
class SkewMaker:
    """Quote a reservation price -+ half_spread, with reservation = mid - skew x position.

    The linear form to which Avellaneda-Stoikov and Gueant-Lehalle-Fernandez-Tapia both reduce (and
    already Ho and Stoll, "Optimal dealer pricing under transactions and return uncertainty", 1981),
    with the two numbers set directly: the baseline that a cleverer maker has to beat.
    """

    half_spread: float = 1.0  # ticks
    skew: float = 0.3  # ticks that the quote moves for each lot of position
    quantity: int = 3  # lots a side
    position_max: int = 50  # lots

    SEARCH: ClassVar[dict[str, Range]] = {
        "half_spread": Range(0.0, 4.0),
        "skew": Range(0.01, 2.0, log=True),
        "quantity": Range(1, 10),
        "position_max": Range(1, 100, log=True),
    }

    def __post_init__(self) -> None:
        check_not_negative(half_spread=self.half_spread, skew=self.skew)
        check_positive(quantity=self.quantity, position_max=self.position_max)

    def prices(self, mid: float, position: int) -> tuple[float, float]:
        """Continuous bid and ask price in ticks."""
        reservation = mid - self.skew * position
        return reservation - self.half_spread, reservation + self.half_spread

    def decide(self, view: View) -> Quote:
        bid, ask = self.prices(view.mid, view.position)
        return quote_around(view, bid, ask, self.quantity, self.position_max)
