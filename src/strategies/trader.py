"""One strategy at work: records in, commands out, and the account of the run.

`live.py` and `backtest.py` are two ways to drive the same `Trader`; nothing here knows which.
"""

from math import exp, inf
from typing import Any

import numpy as np

from exchange.engine.records import ACCOUNT, DEPTH
from strategies.metrics import Metrics, measure
from strategies.quoting import Command, wanted_commands
from strategies.record import FILL, SAMPLE, Rows
from strategies.strategy import Resting, Strategy, View, decision

VOLATILITY_MEMORY_S = 60.0  # time constant of the running estimate
POSITION_MAX = (ACCOUNT.names or ()).index("position_max")


class Observer:
    """Turns DEPTH and ACCOUNT records into views; keeps what needs a memory of earlier ones."""

    def __init__(self) -> None:
        self._mid_twice = 0
        self._time_ns = -1
        self._bought = self._sold = 0
        self._variance = self._weight = 0.0

    def mid_twice(self, depth: Any) -> int:
        """Best bid + best ask in ticks; the last known (at first: the last trade) without both."""
        _, _, _, last_price, bids, _, asks, _ = depth.item()
        return self._mid_of(int(bids[0]), int(asks[0]), last_price)

    def _mid_of(self, best_bid: int, best_ask: int, last_price: int) -> int:
        if best_bid and best_ask:
            return best_bid + best_ask
        return self._mid_twice or 2 * last_price

    def view(
        self,
        depth: Any,
        account: Any,
        own_bid: Resting | None,
        own_ask: Resting | None,
        end_ns: int,
    ) -> View:
        """What a trader sees now. end_ns: market time when the run ends, 0 when it is open."""
        # all fields at once: one by one they cost more than most decisions
        time_ns, bought, sold, last_price, *levels = depth.item()
        own = account.item()
        position, cash, fees = own[:3]
        first = self._time_ns < 0
        taken = (0, 0) if first else (bought - self._bought, sold - self._sold)
        bids, asks = _levels(*levels[:2]), _levels(*levels[2:])
        best_bid, best_ask = bids[0][0] if bids else None, asks[0][0] if asks else None
        self._remember_mid(self._mid_of(best_bid or 0, best_ask or 0, last_price), time_ns)
        self._bought, self._sold = bought, sold
        return View(
            time_ns=time_ns,
            time_left_s=max(end_ns - time_ns, 0) / 1e9 if end_ns else inf,
            mid=self._mid_twice / 2,
            best_bid=best_bid,
            best_ask=best_ask,
            bids=bids,
            asks=asks,
            last_price=last_price,
            bought=taken[0],
            sold=taken[1],
            volatility=(self._variance / self._weight) ** 0.5 if self._weight > 0 else 0.0,
            position=position,
            cash=cash,
            fees=fees,
            position_max=own[POSITION_MAX],
            own_bid=own_bid,
            own_ask=own_ask,
            depth=_copy(depth, DEPTH),
            account=_copy(account, ACCOUNT),
        )

    def _remember_mid(self, mid_twice: int, time_ns: int) -> None:
        """Fold one more change of the mid into the running variance (ticks squared a second)."""
        elapsed_s = (time_ns - self._time_ns) / 1e9
        if self._time_ns >= 0 and elapsed_s > 0:
            kept = exp(-elapsed_s / VOLATILITY_MEMORY_S)
            change = (mid_twice - self._mid_twice) / 2
            self._variance = kept * self._variance + (1 - kept) * change**2 / elapsed_s
            self._weight = kept * self._weight + (1 - kept)  # makes up for the start at nothing
        self._mid_twice, self._time_ns = mid_twice, time_ns


def _levels(prices: Any, quantities: Any) -> tuple[tuple[int, int], ...]:
    """The levels there are, (price, lots), best first: those that are not come last, with 0 lots."""
    lots = quantities.tolist()
    n = lots.index(0) if 0 in lots else len(lots)
    return tuple(zip(prices.tolist()[:n], lots, strict=False))


def _copy(record: Any, dtype: np.dtype[Any]) -> Any:
    """A record of its own memory; through bytes, which is five times faster than `record.copy()`."""
    return np.frombuffer(bytearray(record.tobytes()), dtype)[0]


class Trader:
    """A strategy with its record: fills, samples of its money, orders sent."""

    def __init__(self, strategy: Strategy, *, end_ns: int = 0) -> None:
        self.strategy = strategy
        self.end_ns = end_ns
        self.observer = Observer()
        self.fills = Rows(FILL)
        self.samples = Rows(SAMPLE)
        self.n_orders = 0  # accepted
        self.lots_ordered = 0
        self.refusals: dict[str, int] = {}  # reason -> how often the market said no

    def sample(self, depth: Any, account: Any) -> None:
        """Write down what the account is worth now; the first sample is where the run starts."""
        position, cash, fees = account.item()[:3]
        time_ns = int(depth["time_ns"])
        self.samples.append((time_ns, position, cash, fees, self.observer.mid_twice(depth)))

    def act(
        self, depth: Any, account: Any, own_bid: Resting | None, own_ask: Resting | None
    ) -> list[Command]:
        """Let the strategy decide on what is seen now; the commands that bring its wish about."""
        view = self.observer.view(depth, account, own_bid, own_ask, self.end_ns)
        self.samples.append((view.time_ns, view.position, view.cash, view.fees, int(2 * view.mid)))
        return wanted_commands(decision(self.strategy, view), own_bid, own_ask)

    def count_order(self, quantity: int) -> None:
        """One more order was accepted, of this many lots."""
        self.n_orders += 1
        self.lots_ordered += quantity

    def count_refusal(self, reason: str) -> None:
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def metrics(self) -> Metrics:
        """The run in figures; there must have been a sample."""
        return measure(self.fills.array(), self.samples.array(), self.lots_ordered)
