"""ExchangeClient: one account's WebSocket to the exchange. With `rest.py` the only sockets here.

What it is told (book, own orders, fills) it keeps up to date in one `Desk` a market; it comes back
by itself after a lost connection or a broken feed, and leaves every decision to its user.
"""

import asyncio
import random
import time
from collections import deque
from typing import Self

from pydantic_core import from_json, to_json
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from strategies.desk import Desk
from strategies.errors import (
    ExchangeError,
    FeedBroken,
    NotAuthorized,
    StartedAnew,
    TooSlow,
    UnknownSymbol,
    Unreachable,
    Unreadable,
    refusal,
)
from strategies.rest import REPLY_TIMEOUT_S, RestClient
from strategies.wire import Json

OPEN_TIMEOUT_S = 15.0
RECONNECT_FIRST_S, RECONNECT_MAX_S = 0.1, 5.0  # pauses between attempts, doubled each time
RECONNECT_GIVE_UP_S = 60.0
FRAME_BYTES_MAX = 32 * 2**20  # a snapshot of a full book is a few megabytes
FRAMES_WAITING_MAX = 1024
LOGIN_FAILED = 4001  # close code
PENDING_MAX = 10_000  # commands without an answer yet
LATENCIES_KEPT = 100_000
FILLS_PAGE = 1000
BROKEN_MAX = 10
ERRORS_KEPT = 100


class ExchangeClient:
    """One account's connection. Use as `async with ExchangeClient(...) as client`.

    errors: what went wrong and was mended (lost connections, broken feeds), the newest few.
    latencies_ns: time from sending each command to its answer.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        secret: str | None = None,
        *,
        lockstep: bool = False,
        cancel_on_disconnect: bool = False,
    ) -> None:
        self.rest = RestClient(url, key, secret)
        self._lockstep, self._cancel_on_disconnect = lockstep, cancel_on_disconnect
        self.desks: dict[str, Desk] = {}
        self.errors: deque[str] = deque(maxlen=ERRORS_KEPT)
        self.n_errors = 0
        self.latencies_ns: deque[int] = deque(maxlen=LATENCIES_KEPT)
        self._socket: ClientConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._failure: BaseException | None = None
        self._pending: dict[int, tuple[asyncio.Future[Json], str, str, int]] = {}
        self._next_id = 1
        self._last_fill_id = -1  # -1: not yet known
        self._waiting_reports: list[Json] | None = None

    async def __aenter__(self) -> Self:
        await self.rest.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.rest.close()

    # --- opening and waiting ----------------------------------------------------------------------

    async def open(self, symbol: str) -> Desk:
        """Connect, log in and subscribe; returns when book and own orders are known.

        Raises Unreachable, NotAuthorized, UnknownSymbol.
        """
        listed = (await self.rest.request("GET", "/v1/instruments"))["instruments"]
        described = {item["symbol"]: item for item in listed}
        if symbol not in described:
            raise UnknownSymbol(
                {"code": "unknown_symbol", "message": f"{symbol}; there are {', '.join(described)}"}
            )
        desk = self.desks[symbol] = Desk(described[symbol])
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._stay_connected())
            self._keeper.add_done_callback(self._keeper_ended)
        elif self._ready.is_set():
            if self.rest.has_key:
                self._waiting_reports = []
                await self._resume([desk])
            await self._subscribe_book(desk)
        deadline = time.monotonic() + OPEN_TIMEOUT_S
        while not self.connected(desk):
            await self.wait(desk, OPEN_TIMEOUT_S)
            if time.monotonic() > deadline:
                raise Unreachable(f"{self.rest.url} sent no book of {symbol}")
        return desk

    def connected(self, desk: Desk) -> bool:
        """Whether book and own orders are up to date, and commands can be sent."""
        return self._ready.is_set() and desk.book.ready

    async def wait(self, desk: Desk, timeout_s: float) -> bool:
        """Wait until something of the market has changed; False when the time is over.

        Raises what has ended the connection for good.
        """
        if self._failure is None:
            try:
                async with asyncio.timeout(timeout_s):  # wait_for would make a task
                    await desk.changed.wait()
            except TimeoutError:
                return False
            desk.changed.clear()
        if self._failure is not None:
            raise self._failure
        return True

    # --- commands ---------------------------------------------------------------------------------

    async def send(self, message: Json) -> Json:
        """Send one command and wait for its result. Raises Refused, Unreachable."""
        reply = await self.post(message)
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return await reply
        except TimeoutError:
            if self._socket is not None:  # it may hang half open: a new connection will tell
                await self._socket.close()
            raise Unreachable(f"no answer within {REPLY_TIMEOUT_S:g} s") from None

    async def post(self, message: Json) -> "asyncio.Future[Json]":
        """Send one command; the future is its result (in lockstep it comes with the next step)."""
        socket = self._socket
        if socket is None:
            raise Unreachable("not connected")
        if len(self._pending) >= PENDING_MAX:
            raise TooSlow(f"{PENDING_MAX} commands wait for an answer")
        request_id, self._next_id = self._next_id, self._next_id + 1
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_look_at)
        symbol = str(message.get("symbol", ""))
        self._pending[request_id] = (future, message["op"], symbol, time.perf_counter_ns())
        try:
            await socket.send(to_json({**message, "id": request_id}), text=True)
        except ConnectionClosed as error:
            self._pending.pop(request_id, None)
            raise Unreachable("the connection is lost") from error
        return future

    async def done(self, desk: Desk) -> None:
        """Lockstep: all commands of this step are sent."""
        await self.post({"op": "done", "symbol": desk.symbol})

    async def cancel_all(self, desk: Desk) -> int:
        """Cancel all own orders in the market, over REST; returns how many there were."""
        answer = await self.rest.request("DELETE", "/v1/orders", {"symbol": desk.symbol})
        return int(answer["n_canceled"])

    # --- the connection ---------------------------------------------------------------------------

    async def _stay_connected(self) -> None:
        """Connect again and again until the client is closed or it is of no use."""
        pause_s, lost_at = RECONNECT_FIRST_S, time.monotonic()
        while True:
            try:
                await self._one_connection()
            except (NotAuthorized, StartedAnew, Unreadable, TooSlow) as error:
                return self._fail(error)
            except (ExchangeError, OSError, InvalidHandshake, InvalidURI) as error:
                first = self._last_fill_id < 0
                if self._ready.is_set():
                    pause_s, lost_at = RECONNECT_FIRST_S, time.monotonic()
                self._ready.clear()
                self.note(error)
                if first or time.monotonic() - lost_at > RECONNECT_GIVE_UP_S:
                    return self._fail(_unreachable(self.rest.url, error))
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # not all at once
            pause_s = min(2 * pause_s, RECONNECT_MAX_S)

    async def _one_connection(self) -> None:
        """From connecting to the loss of the connection, which raises Unreachable."""
        address = "ws" + self.rest.url.removeprefix("http") + "/v1/ws"
        async with connect(
            address,
            max_size=FRAME_BYTES_MAX,
            max_queue=FRAMES_WAITING_MAX,
            open_timeout=REPLY_TIMEOUT_S,
            close_timeout=1,
        ) as socket:
            self._socket = socket
            reader = asyncio.create_task(self._read(socket))
            starting = asyncio.create_task(self._start())
            try:
                await asyncio.wait({reader, starting}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    self._ready.set()
                    self._wake()
                await reader
            finally:
                self._socket = None
                starting.cancel()
                reader.cancel()
                await asyncio.gather(starting, reader, return_exceptions=True)
                self._forget_pending()

    async def _start(self) -> None:
        """Log in, learn the own orders and fills, then subscribe the books."""
        if self.rest.has_key:
            options = {
                "cancel_on_disconnect": self._cancel_on_disconnect,
                "lockstep": self._lockstep,
            }
            await self.send({"op": "login", **self.rest.login_fields(), **options})
            self._waiting_reports = []
            await self.send({"op": "subscribe", "channels": ["orders", "fills"]})
            await self._resume(list(self.desks.values()))
        # only now: in lockstep the market waits for us from the book's subscription on
        for desk in self.desks.values():
            await self._subscribe_book(desk)

    async def _subscribe_book(self, desk: Desk) -> None:
        await self.send({"op": "subscribe", "channels": ["book"], "symbol": desk.symbol})

    async def _resume(self, desks: list[Desk]) -> None:
        """Learn account, fills since the last one and open orders, then the reports meanwhile."""
        account = await self.rest.request("GET", "/v1/account")
        positions = {item["symbol"]: item for item in account["positions"]}
        n_fills = sum(item["n_fills"] for item in account["positions"])
        if n_fills < self._last_fill_id:
            raise StartedAnew("the exchange has started anew and no longer knows this account")
        for desk in desks:
            if desk.fills_from < 0:
                desk.fills_from = n_fills
                desk.blotter.set_account(positions[desk.symbol])
            desk.blotter.set_limits(positions[desk.symbol]["limits"])
        if self._last_fill_id < 0:
            self._last_fill_id = n_fills
        await self._fetch_fills()
        for desk in desks:
            answer = await self.rest.request("GET", "/v1/orders", {"symbol": desk.symbol})
            desk.blotter.set_orders(answer["orders"])
        reports, self._waiting_reports = self._waiting_reports or [], None
        for report in reports:
            self._apply_report(report)

    async def _fetch_fills(self) -> None:
        while True:
            query = {"after": self._last_fill_id, "limit": FILLS_PAGE}
            fills = (await self.rest.request("GET", "/v1/fills", query))["fills"]
            if fills and fills[0]["fill_id"] != self._last_fill_id + 1:
                raise StartedAnew("too many fills were missed: the exchange has forgotten some")
            for fill in fills:
                self._apply_report({**fill, "channel": "fills"})
            if len(fills) < FILLS_PAGE:
                return

    # --- reading ----------------------------------------------------------------------------------

    async def _read(self, socket: ClientConnection) -> None:
        """Take in every message until the connection is lost."""
        try:
            async for frame in socket:
                try:
                    message = from_json(frame)
                    if "re" in message:
                        self._take_reply(message)
                    elif message["channel"] == "book":
                        await self._take_book(message)
                    else:
                        self._take_report(message)
                except (KeyError, TypeError, ValueError) as error:
                    raise Unreadable(f"message not understood: {error!r}") from error
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == LOGIN_FAILED:
                reason = {"code": "unauthenticated", "message": error.rcvd.reason}
                raise NotAuthorized(reason) from error
            raise Unreachable(f"the connection is lost: {error}") from error
        raise Unreachable("the exchange has closed the connection")

    def _take_reply(self, message: Json) -> None:
        pending = self._pending.pop(message["re"], None)
        if pending is None:
            return
        future, op, symbol, sent_ns = pending
        desk = self.desks.get(symbol)
        if op in ("quote", "enter", "replace", "cancel"):
            self.latencies_ns.append(time.perf_counter_ns() - sent_ns)
        if "error" in message:
            error = refusal(message["error"])
            if op == "done":
                self._fail(error)  # the next step would be waited for in vain
            return _settle(future, error)
        if desk is not None and op == "quote":
            desk.blotter.apply_quote(message["result"])
        elif desk is not None and op == "enter":
            desk.blotter.apply_order(message["result"])
        _settle(future, message["result"])

    async def _take_book(self, message: Json) -> None:
        desk = self.desks.get(message["symbol"])
        if desk is None:
            return
        try:
            desk.book.apply(message)
        except FeedBroken as error:
            self.note(error)
            desk.n_broken += 1
            if desk.n_broken > BROKEN_MAX:
                raise Unreadable(f"the book cannot be rebuilt: {error}") from error
            # the answer brings a snapshot; waiting for it here would keep it from being read
            await self.post({"op": "subscribe", "channels": ["book"], "symbol": desk.symbol})
            return
        if desk.book.ready:
            desk.n_broken = 0
            desk.book.write_depth(desk.depth)
        desk.changed.set()

    def _take_report(self, message: Json) -> None:
        if self._waiting_reports is not None and message["channel"] in ("orders", "fills"):
            self._waiting_reports.append(message)
            return
        self._apply_report(message)

    def _apply_report(self, message: Json) -> None:
        """A private report or a lockstep step; other channels are of no use here."""
        desk = self.desks.get(message.get("symbol", ""))
        channel = message["channel"]
        if channel == "fills":
            if message["fill_id"] <= self._last_fill_id:
                return  # known already, through REST
            self._last_fill_id = message["fill_id"]
        if desk is None:
            return
        if channel == "fills" and message["fill_id"] > desk.fills_from:
            desk.blotter.apply_fill(message)
        elif channel == "orders":
            desk.blotter.apply_order(message)
        elif channel == "step":
            desk.step = message["step"]
            desk.n_steps_told += 1
        desk.changed.set()

    # --- when it goes wrong -----------------------------------------------------------------------

    def note(self, error: Exception) -> None:
        self.n_errors += 1
        self.errors.append(f"{type(error).__name__}: {error}")

    def _keeper_ended(self, keeper: "asyncio.Task[None]") -> None:
        """A mistake of the program itself must not leave anybody waiting for ever."""
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """There is no going on; whoever waits is told."""
        self._ready.clear()
        self._failure = error
        self._wake()

    def _wake(self) -> None:
        for desk in self.desks.values():
            desk.changed.set()

    def _forget_pending(self) -> None:
        for future, *_ in self._pending.values():
            _settle(future, Unreachable("the connection is lost"))
        self._pending.clear()
        self._waiting_reports = None


def _settle(future: "asyncio.Future[Json]", result: Json | ExchangeError) -> None:
    """Give a command its result or its error, unless nobody waits any more."""
    if future.done():
        return
    if isinstance(result, ExchangeError):
        future.set_exception(result)
    else:
        future.set_result(result)


def _look_at(future: "asyncio.Future[Json]") -> None:
    """An error that nobody asks for is no mistake: asyncio would complain."""
    if not future.cancelled():
        future.exception()


def _unreachable(url: str, error: Exception) -> ExchangeError:
    return error if isinstance(error, ExchangeError) else Unreachable(f"{url}: {error}")
