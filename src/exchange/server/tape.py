"""What was traded: the newest trades of one market and its candles. Integers throughout."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exchange.server.orders import TRADED, Event, new_tuple

TRADES_MAX = 10_000
CANDLES_MAX = 5_000  # of each interval
INTERVALS_S = (1, 60)
SECOND_NS = 1_000_000_000


class Trade(NamedTuple):
    """One match; side is the taker's."""

    trade_id: int
    sequence: int
    time_ns: int
    price: int
    quantity: int
    side: int


@dataclass(slots=True)
class Candle:
    """Prices (ticks) and volume (lots) of one interval; there is none without a trade."""

    interval_s: int
    open_time_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    n_trades: int = 0
    closed: bool = False


class CandleSeries:
    """Candles of one interval; `fresh` holds those changed since they were last taken."""

    def __init__(self, interval_s: int) -> None:
        self.interval_s = interval_s
        self.candles: deque[Candle] = deque(maxlen=CANDLES_MAX)
        self.fresh: dict[int, Candle] = {}
        self._end_ns = 0  # of the newest candle's interval

    def add(self, trade: Trade) -> None:
        """Take in one trade, opening a candle when its interval has none."""
        if trade.time_ns >= self._end_ns:
            self._open(trade)
        candle, price = self.candles[-1], trade.price
        if price > candle.high:
            candle.high = price
        elif price < candle.low:
            candle.low = price
        candle.close = price
        candle.volume += trade.quantity
        candle.n_trades += 1
        self.fresh[candle.open_time_ns] = candle

    def _open(self, trade: Trade) -> None:
        self.close(trade.time_ns)
        interval_ns, price = self.interval_s * SECOND_NS, trade.price
        open_time_ns = trade.time_ns // interval_ns * interval_ns
        self.candles.append(Candle(self.interval_s, open_time_ns, price, price, price, price))
        self._end_ns = open_time_ns + interval_ns

    def close(self, now_ns: int) -> None:
        """Close the newest candle if its interval is over."""
        if not self.candles:
            return
        candle = self.candles[-1]
        if not candle.closed and now_ns >= candle.open_time_ns + self.interval_s * SECOND_NS:
            candle.closed = True
            self.fresh[candle.open_time_ns] = candle

    def take_fresh(self) -> list[Candle]:
        """Those changed since the last call, oldest first."""
        fresh, self.fresh = list(self.fresh.values()), {}
        return fresh


class Tape:
    """Trades and candles of one market."""

    def __init__(self) -> None:
        self.trades: deque[Trade] = deque(maxlen=TRADES_MAX)
        self.n_trades = 0
        self.volume = 0  # lots
        self.series = {interval_s: CandleSeries(interval_s) for interval_s in INTERVALS_S}

    def read(self, events: Sequence[Event]) -> None:
        """Take in the events of one command."""
        for event in events:
            if event.kind == TRADED:
                self.n_trades += 1
                self.volume += event.quantity
                fields = (
                    self.n_trades,
                    event.sequence,
                    event.time_ns,
                    event.price,
                    event.quantity,
                    event.side,
                )
                trade = new_tuple(Trade, fields)
                self.trades.append(trade)
                for series in self.series.values():
                    series.add(trade)

    def newest(self, limit: int) -> list[Trade]:
        """The last trades, newest last."""
        return [
            self.trades[row] for row in range(max(len(self.trades) - limit, 0), len(self.trades))
        ]

    def after(self, trade_id: int) -> list[Trade]:
        """The trades with a higher id, oldest first, as far as they are kept."""
        return self.newest(self.n_trades - trade_id)
