"""Avellaneda and Stoikov's market maker, with the paper's finite and infinite horizon."""

from dataclasses import dataclass
from math import inf, log
from typing import ClassVar, Literal

from strategies.strategy import Quote, View, check_not_negative, check_positive, quote_around
from strategies.tuning import Range


@dataclass
class AvellanedaStoikov:
    """Quote around a reservation price that leans against the position by risk aversion.

    Avellaneda and Stoikov, "High-frequency trading in a limit order book", Quantitative Finance 8
    (2008). With position q, volatility s, fills arriving at rate A exp(-k distance):

    - finite horizon (3.17, 3.18): reservation = mid - q g s^2 t, spread =
      g s^2 t + (2/g) ln(1 + g/k), t the time left, here at most `time_left_max_s`: with all of a
      long session left the lean would be many ticks a lot.
    - infinite horizon (section 2.3): each side has its own reservation price, for the bid
      mid + (1/g) ln(1 - (1 + 2q) g^2 s^2 / (2w - g^2 q^2 s^2)), w = g^2 s^2 (q_max + 1)^2 / 2,
      for the ask the mirror image (q and the sign of the lean turned round), and is quoted
      (1/g) ln(1 + g/k) further out. This w cancels the volatility, and at q_max there is no bid.
    """

    risk_aversion: float = 0.1  # g, per tick-lot
    fill_decay: float = 1.2  # k, per tick
    volatility: float = 0.4  # s, ticks per square root of a second; 0: the view's running estimate
    horizon: Literal["finite", "infinite"] = "finite"
    time_left_max_s: float = 12.5
    quantity: int = 3  # lots a side
    position_max: int = 50  # lots; q_max of the infinite horizon

    SEARCH: ClassVar[dict[str, Range]] = {
        "risk_aversion": Range(0.005, 3.0, log=True),
        "fill_decay": Range(0.3, 5.0, log=True),
        "time_left_max_s": Range(2.0, 100.0, log=True),
        "quantity": Range(1, 10),
        "position_max": Range(1, 100, log=True),
    }

    def __post_init__(self) -> None:
        check_positive(
            risk_aversion=self.risk_aversion,
            fill_decay=self.fill_decay,
            time_left_max_s=self.time_left_max_s,
            quantity=self.quantity,
            position_max=self.position_max,
        )
        check_not_negative(volatility=self.volatility)

    def decide(self, view: View) -> Quote:
        volatility = self.volatility or view.volatility
        bid, ask = self.prices(view.mid, view.position, volatility, view.time_left_s)
        return quote_around(view, bid, ask, self.quantity, self.position_max)

    def prices(
        self, mid: float, position: int, volatility: float, time_left_s: float = inf
    ) -> tuple[float, float]:
        """Continuous bid and ask price in ticks."""
        margin = log(1 + self.risk_aversion / self.fill_decay) / self.risk_aversion
        if self.horizon == "infinite":
            below, above = self._stationary_reservations(position, volatility)
        else:
            below, above = self._finite_reservations(position, volatility, time_left_s)
        return mid + below - margin, mid + above + margin

    def _finite_reservations(
        self, position: int, volatility: float, time_left_s: float
    ) -> tuple[float, float]:
        """Buyer's and seller's indifference prices, ticks from the mid (paper: 2.6, 2.7)."""
        time_left_s = min(max(time_left_s, 0.0), self.time_left_max_s)
        risk = self.risk_aversion * volatility**2 * time_left_s
        return (-1 - 2 * position) * risk / 2, (1 - 2 * position) * risk / 2

    def _stationary_reservations(self, position: int, volatility: float) -> tuple[float, float]:
        """The same over an infinite horizon."""
        if volatility == 0:
            return 0.0, 0.0
        # outside q_max, where the side that adds is cut anyway, the lean stays that of q_max
        position = max(-self.position_max, min(self.position_max, position))
        return self._stationary_lean(position), -self._stationary_lean(-position)

    def _stationary_lean(self, position: int) -> float:
        """Buyer's indifference price, ticks from the mid; v(q) is proportional to 1/(w' - q^2)."""
        room = (self.position_max + 1) ** 2
        ratio = (room - (position + 1) ** 2) / (room - position**2)
        return log(ratio) / self.risk_aversion if ratio > 0 else -inf
