"""A recording as the flow of a live market: its orders come at their times, others trade with them.

Recorded orders enter as account 0. Executions come as immediate-or-cancel orders, which trade with
whoever is first in the queue. So a market with others in it goes its own way: a recorded order that
somebody else has filled is not there to be canceled (counted, not an error), and one that the venue
filled may be left resting until it is canceled, or the recorded price trades through it.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from exchange.engine import commands
from exchange.engine.codes import RejectReason
from exchange.engine.kernel import kernel
from exchange.engine.records import LIVE_MARKET, Markets, new_markets
from exchange.simulation.recorded.apply import COUNTS, GTC, apply_message, new_orders, open_market
from exchange.simulation.recorded.messages import Array, Recording
from exchange.simulation.recorded.prepare import as_input
from exchange.simulation.recorded.read import read_recording
from exchange.simulation.recorded.report import rebuild_recording


class RecordedFlow:
    """The orders of a recording and how far a market has got in them.

    `name`; `tick_size`, `lot_size`: Decimal, of the instrument; `open_price`: ticks; `end_ns`: when
    the last order comes. Times are nanoseconds since the start of the recording, which is 0 on the
    market's clock.
    """

    def __init__(self, recording: Recording) -> None:
        if recording.unannounced is not None:
            recording = rebuild_recording(recording).complete
        self.name = recording.name
        self.tick_size: Decimal = recording.tick_size
        self.lot_size: Decimal = recording.lot_size
        self.open_price = recording.open_price
        self.n_orders = recording.n_orders
        self.opening = recording.opening
        self.messages, _fills = as_input(recording)
        self.end_ns = int(self.messages["time_ns"].max(initial=0))
        self._orders = new_orders(recording.n_orders)
        self._place = np.zeros(1, np.int64)  # the next message

    @classmethod
    def open(
        cls, path: str | Path, file_format: str, orderbook: str | Path | None = None
    ) -> "RecordedFlow":
        """Read a recording (see `read_recording`). Raises RecordingError."""
        return cls(read_recording(path, file_format, orderbook))

    @property
    def finished(self) -> bool:
        """Whether every recorded order has come; the clock goes on."""
        return self.place == len(self.messages)

    @property
    def counts(self) -> dict[str, int]:
        """What did not go as recorded: messages to orders gone, orders outside the ladder, ..."""
        return {name: int(self._orders.counts[name][0]) for name in COUNTS.names or ()}

    @property
    def place(self) -> int:
        """How many messages have come."""
        return int(self._place[0])

    @property
    def orders_at(self) -> Array:
        """By slot of the market: the number of the order last put there."""
        return self._orders.orders_at

    def advance(self, markets: Markets, instrument: int, until_ns: int) -> None:
        """Apply all that comes until `until_ns` to one market and set its clock.

        What happened stands in its events. When they are full the clock stands before `until_ns`:
        take the events and call again.
        """
        advance_flow(markets, instrument, self.messages, self._orders, self._place, until_ns)

    def _start(self, markets: Markets) -> None:
        """Go to the beginning and rest the opening book in markets[0]."""
        for part in (self._place, self._orders.counts, self._orders.engine_ids):
            part[:] = np.zeros(1, part.dtype)
        open_market(markets, 0, self.opening, self._orders)


def new_recorded_markets(
    flow: RecordedFlow, dtype: np.dtype[Any] = LIVE_MARKET, **options: Any
) -> Markets:
    """A venue of one market, (1,), with the recording's opening book; the flow starts anew.

    options: of `new_markets`, such as fees.
    """
    markets = new_markets(1, dtype=dtype, open_price=flow.open_price, **options)
    flow._start(markets)
    return markets


@kernel
def advance_flow(markets, instrument, messages, orders, place, until_ns):
    """Apply messages[place[0] ...] that come until `until_ns`, and move place on.

    The contract of `exchange.simulation.step.advance`.
    """
    if not commands.begin(markets, instrument):
        return -RejectReason.UNKNOWN_INSTRUMENT
    market = markets[instrument]
    while place[0] < len(messages) and messages[place[0]].time_ns <= until_ns:
        if not commands.room_for_events(market):
            return 0
        message = messages[place[0]]
        commands.advance_clock(market, max(market.now_ns, message.time_ns))
        if not commands.room_for_events(market):
            return 0
        apply_message(markets, instrument, message, orders, GTC)
        place[0] += 1
    if not commands.room_for_events(market):
        return 0
    return commands.advance_clock(market, until_ns)
