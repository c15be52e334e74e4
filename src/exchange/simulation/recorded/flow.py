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
from exchange.engine.codes import RejectReason, TimeInForce
from exchange.engine.kernel import kernel
from exchange.engine.records import LIVE_MARKET, Markets, new_markets
from exchange.simulation.recorded.messages import MessageKind, Recording, RecordingError
from exchange.simulation.recorded.prepare import as_input
from exchange.simulation.recorded.read import read_recording
from exchange.simulation.recorded.replay import COUNTS, apply_message, open_market, take
from exchange.simulation.recorded.report import rebuild_recording


class RecordedFlow:
    """The orders of a recording and how far a market has got in them.

    `name`; `tick_size`, `lot_size`: Decimal, of the instrument; `open_price`: ticks; `end_ns`: when the
    last order comes, nanoseconds since the start of the recording, which is 0 on the market's clock.
    """

    def __init__(self, recording: Recording) -> None:
        if recording.unannounced is not None:
            recording = rebuild_recording(recording).complete
        self.name = recording.name
        self.tick_size: Decimal = recording.tick_size
        self.lot_size: Decimal = recording.lot_size
        self.open_price = recording.open_price
        self.opening = recording.opening
        self.messages, _fills = as_input(recording)
        self.end_ns = int(self.messages["time_ns"].max(initial=0))
        self._engine_ids = np.zeros(recording.n_orders + 1, np.int64)
        self._place = np.zeros(1, np.int64)  # the next message
        self._counts = np.zeros(1, COUNTS)

    @classmethod
    def open(
        cls, path: str | Path, file_format: str, orderbook: str | Path | None = None
    ) -> "RecordedFlow":
        """Read a recording (see `read_recording`). Raises RecordingError."""
        return cls(read_recording(path, file_format, orderbook))

    @property
    def finished(self) -> bool:
        """Whether every recorded order has come; the clock goes on."""
        return int(self._place[0]) == len(self.messages)

    @property
    def counts(self) -> dict[str, int]:
        """What did not go as recorded: messages to orders gone, orders outside the ladder, ..."""
        return {name: int(self._counts[name][0]) for name in COUNTS.names or ()}

    def advance(self, markets: Markets, instrument: int, until_ns: int) -> None:
        """Apply all that comes until `until_ns` to one market and set its clock.

        What happened stands in its events. When they are full the clock stands before `until_ns`:
        take the events and call again.
        """
        state = self._engine_ids, self._place, self._counts[0]
        advance_flow(markets, instrument, self.messages, *state, until_ns)

    def save(self) -> bytes:
        """Where the flow stands, to `restore` beside a market saved at the same moment."""
        return self._place.tobytes() + self._counts.tobytes() + self._engine_ids.tobytes()

    def restore(self, saved: bytes) -> None:
        """Go to where `save` stood. Raises RecordingError when it was another recording's."""
        if len(saved) != len(self.save()):
            raise RecordingError(f"{self.name}: the saved state is of another recording")
        for part in (self._place, self._counts, self._engine_ids):
            part[:] = np.frombuffer(saved[: part.nbytes], part.dtype)
            saved = saved[part.nbytes :]

    def _start(self, markets: Markets) -> None:
        """Go to the beginning and rest the opening book in markets[0]."""
        self._place[:], self._engine_ids[:] = 0, 0
        self._counts[:] = np.zeros(1, COUNTS)
        open_market(markets, 0, self.opening, self._engine_ids, self._counts[0])


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
def advance_flow(markets, instrument, messages, engine_ids, place, counts, until_ns):
    """Apply messages[place[0] ...] that come until `until_ns`; place is moved on. As `step.advance`."""
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
        if message.kind == MessageKind.TAKE:
            take(markets, instrument, message)
        else:
            options = TimeInForce.GTC
            apply_message(markets, instrument, message, engine_ids, counts, options)
        place[0] += 1
    if not commands.room_for_events(market):
        return 0
    return commands.advance_clock(market, until_ns)
