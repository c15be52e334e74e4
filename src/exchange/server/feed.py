"""What is told, and to whom: the public channels and every trader's own reports.

A public message is encoded once and queued for all its readers. Reports are held until the reply to
the command that caused them is queued, so a client never hears of an order before its own answer.
"""

import json
from collections import deque
from collections.abc import Callable, Sequence

from exchange.messages.answers import ScenarioAnswer
from exchange.server.answers import (
    account_answer,
    candle_answer,
    fill_answer,
    order_text,
    trade_answer,
)
from exchange.server.book import PublicBook
from exchange.server.connection import Connection
from exchange.server.frames import text_frame
from exchange.server.notices import NOTICE_KINDS, SHOCK_BEGAN, notice, scenario
from exchange.server.orders import Event, Fill, Order
from exchange.server.venue import Venue

ALL = -1  # in place of an instrument, for channels that cover every symbol
SCENARIOS_MAX = 50
MARKET_CHANNELS = ("book", "trades", "ticker", "candles")
PRIVATE_CHANNELS = ("orders", "fills", "account")
Readers = dict[Connection, None]  # in the order they came


class Feed:
    """Books, subscriptions and reports of one venue."""

    def __init__(self, venue: Venue, epoch: int) -> None:
        self.venue, self.epoch = venue, epoch
        self.books = [PublicBook(venue, row, epoch) for row in range(len(venue.instruments))]
        self.scenarios: deque[ScenarioAnswer] = deque(maxlen=SCENARIOS_MAX)  # those that began
        self.connections: Readers = {}
        self._readers: dict[tuple[str, int], Readers] = {}
        self._own: dict[tuple[str, int], Readers] = {}  # by private channel and account
        self._reports: list[tuple[Connection, bytes]] = []
        self._accounts_changed: dict[int, None] = {}
        self._last_trade = [tape.n_trades for tape in venue.tapes]
        self._urgent: Readers = {}
        venue.listeners.append(self._read)
        venue.log.on_order = self._on_order
        venue.log.on_fill = self._on_fill

    # --- readers ----------------------------------------------------------------------------------

    def subscribe(self, connection: Connection, channel: str, instrument: int) -> None:
        """Begin to tell; the book begins with a snapshot."""
        readers = self._listed(connection, channel, instrument)
        if channel in ("book", "ticker") and not self._watched(instrument):
            self.books[instrument].publish()  # nobody has followed until now
        readers[connection] = None
        connection.subscriptions.add((channel, instrument))
        if channel == "book":
            connection.stale.discard(instrument)
            connection.send(self.snapshot_frame(instrument))
        if channel == "account" and connection.caller is not None:
            self._accounts_changed[connection.caller.account] = None

    def unsubscribe(self, connection: Connection, channel: str, instrument: int) -> None:
        """Tell no more."""
        connection.subscriptions.discard((channel, instrument))
        self._listed(connection, channel, instrument).pop(connection, None)
        if channel == "book":
            connection.stale.discard(instrument)

    def forget(self, connection: Connection) -> None:
        """The connection is gone."""
        for channel, instrument in list(connection.subscriptions):
            self.unsubscribe(connection, channel, instrument)
        self.connections.pop(connection, None)
        self._urgent.pop(connection, None)

    # --- public -----------------------------------------------------------------------------------

    def publish(self, *, always: bool = False) -> None:
        """Tell what has happened since the last time; always: even an empty change of the book."""
        for row, book in enumerate(self.books):
            self._publish_trades(row)
            if self._watched(row) and (always or book.changed):
                frame = text_frame(book.publish())
                for connection in self._readers.get(("book", row), ()):
                    connection.send_book(row, frame)
                self._tell_latest("ticker", row, book.ticker)
            self._publish_candles(row)

    def publish_status(self, payload: dict[str, object]) -> None:
        """Phase, clock or shutdown."""
        message = {"channel": "status", **payload}
        self._tell("status", ALL, json.dumps(message, separators=(",", ":")).encode())

    def publish_heartbeat(self, wall_ms: int) -> None:
        """The time, and the number of each book that the reader follows."""
        now_ns = int(self.venue.now_ns.max())
        for connection in self._readers.get(("heartbeat", ALL), ()):
            followed = sorted(row for name, row in connection.subscriptions if name == "book")
            seq = {self.venue.instruments[row].symbol: self.books[row].seq for row in followed}
            message = {
                "channel": "heartbeat",
                "type": "heartbeat",
                "time_ns": now_ns,
                "wall_ms": wall_ms,
                "seq": seq,
            }
            connection.send(text_frame(json.dumps(message, separators=(",", ":")).encode()))

    def snapshot_frame(self, instrument: int) -> bytes:
        """The book as last published, as a frame."""
        return text_frame(self.books[instrument].snapshot())

    # --- private ----------------------------------------------------------------------------------

    def deliver_reports(self) -> None:
        """Queue the reports of the commands applied since the last time; flush their readers."""
        if not self._reports:
            return
        for connection, frame in self._reports:
            connection.send(frame)
            self._urgent[connection] = None
        self._reports.clear()

    def publish_accounts(self) -> None:
        """Tell the traders whose accounts have changed how they stand."""
        for number in self._accounts_changed:
            readers = self._own.get(("account", number))
            if readers:
                answer = account_answer(self.venue, self.venue.accounts[number])
                frame = _report_frame("account", "account", answer.model_dump_json())
                for connection in readers:
                    connection.send(frame)
                    self._urgent[connection] = None
        self._accounts_changed.clear()

    def reply(self, connection: Connection, payload: bytes) -> None:
        """Queue the answer to a request."""
        connection.send(text_frame(payload))
        self._urgent[connection] = None

    # --- out --------------------------------------------------------------------------------------

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for a reply or a report."""
        return bool(self._urgent)

    def flush_urgent(self, now_ns: int) -> None:
        """Write to those who wait for a reply or a report."""
        for connection in self._urgent:
            connection.flush(now_ns, self.snapshot_frame)
        self._urgent.clear()

    def flush(self, now_ns: int) -> None:
        """Write to everybody."""
        for connection in self.connections:
            if connection.waiting:
                connection.flush(now_ns, self.snapshot_frame)
        self._urgent.clear()

    # --- parts ------------------------------------------------------------------------------------

    def _read(self, instrument: int, events: Sequence[Event]) -> None:
        self.books[instrument].read(events)
        for event in events:
            if event.kind in NOTICE_KINDS:
                symbol = self.venue.instruments[instrument].symbol
                self.publish_status(notice(symbol, event))
                if event.kind == SHOCK_BEGAN:
                    self.scenarios.append(scenario(symbol, event))

    def _watched(self, row: int) -> bool:
        return bool(self._readers.get(("book", row)) or self._readers.get(("ticker", row)))

    def _publish_trades(self, row: int) -> None:
        tape = self.venue.tapes[row]
        if self._last_trade[row] == tape.n_trades:
            return
        if self._readers.get(("trades", row)):
            for trade in tape.after(self._last_trade[row]):
                answer = trade_answer(self.venue.instruments[row], trade)
                self._tell("trades", row, answer.model_dump_json().encode())
        self._last_trade[row] = tape.n_trades

    def _publish_candles(self, row: int) -> None:
        now_ns = int(self.venue.now_ns[row])
        for series in self.venue.tapes[row].series.values():
            series.close(now_ns)
            for candle in series.take_fresh():
                if self._readers.get(("candles", row)):
                    answer = candle_answer(self.venue.instruments[row], candle)
                    self._tell("candles", row, answer.model_dump_json().encode())

    def _tell(self, channel: str, instrument: int, payload: bytes) -> None:
        frame = text_frame(payload)
        for connection in self._readers.get((channel, instrument), ()):
            connection.send(frame)

    def _tell_latest(self, channel: str, instrument: int, build: Callable[[], bytes]) -> None:
        """What a slow reader can do without."""
        readers = self._readers.get((channel, instrument))
        if readers:
            frame = text_frame(build())
            for connection in readers:
                if not connection.slow:
                    connection.send(frame)

    def _listed(self, connection: Connection, channel: str, instrument: int) -> Readers:
        """The list of readers that a subscription of this connection stands in."""
        if channel in PRIVATE_CHANNELS:
            assert connection.caller is not None, "the session has asked who it is"
            return self._own.setdefault((channel, connection.caller.account), {})
        return self._readers.setdefault((channel, instrument), {})

    def _on_order(self, what: str, order: Order) -> None:
        self._accounts_changed[order.account] = None
        readers = self._own.get(("orders", order.account))
        if readers:
            text = order_text(self.venue.instruments[order.instrument], order)
            frame = _report_frame("orders", "order", text, f'"event":"{what}",')
            self._reports.extend((connection, frame) for connection in readers)

    def _on_fill(self, account: int, fill: Fill) -> None:
        readers = self._own.get(("fills", account))
        if readers:
            answer = fill_answer(self.venue.instruments[fill.instrument], fill)
            frame = _report_frame("fills", "fill", answer.model_dump_json())
            self._reports.extend((connection, frame) for connection in readers)


def _report_frame(channel: str, kind: str, answer: str, more: str = "") -> bytes:
    return text_frame(f'{{"channel":"{channel}","type":"{kind}",{more}{answer[1:]}'.encode())
