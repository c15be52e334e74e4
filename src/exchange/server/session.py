"""One WebSocket connection's way in: login, subscriptions and commands, answered in their order."""

import json
from collections.abc import Callable
from functools import partial

from pydantic import TypeAdapter, ValidationError

from exchange.messages import requests
from exchange.messages.answers import PingAnswer
from exchange.server.auth import Caller, RateLimit
from exchange.server.connection import LOGIN_FAILED, UNREADABLE, Connection
from exchange.server.errors import ApiError, unreadable
from exchange.server.feed import ALL, MARKET_CHANNELS, PRIVATE_CHANNELS
from exchange.server.reading import OPERATIONS, complaint
from exchange.server.service import Exchange

SIGNED_LOGIN = b"GET/v1/ws"
UNREADABLE_MAX = 20  # messages in a row that cannot be read
REQUESTS_PER_S = 200.0  # logins, subscriptions and pings of one connection
SUBSCRIPTIONS_MAX = 256
_REQUEST: TypeAdapter[requests.SocketRequest] = TypeAdapter(requests.SocketRequest)
read_request = _REQUEST.validator.validate_json  # without the adapter's own look at its arguments


class Session:
    """What one client has said so far."""

    def __init__(self, exchange: Exchange, connection: Connection) -> None:
        self.exchange, self.connection = exchange, connection
        self._n_unreadable = 0
        self._rate = RateLimit(REQUESTS_PER_S, exchange.monotonic_ns)

    def receive(self, text: str) -> None:
        """Take one message; everything it can be is answered."""
        try:
            request = read_request(text)
        except ValidationError as error:
            self._answer_unreadable(text, complaint(error))
            return
        self._n_unreadable = 0
        try:
            self._obey(request)
        except ApiError as error:
            self._answer_error(request.id, request.op, error)
        self.exchange.after_command()

    def refuse_binary(self) -> None:
        """Only text is understood."""
        self._answer_unreadable("", unreadable("send JSON as text frames"))
        self.exchange.after_command()

    def close(self) -> None:
        """The connection is gone."""
        exchange, connection = self.exchange, self.connection
        exchange.feed.forget(connection)
        work: Callable[[], None] | None = None
        if connection.caller is not None and connection.cancel_on_disconnect:
            work = partial(exchange.cancel_everything, connection.caller.account)
        if exchange.lockstep is not None:
            exchange.lockstep.leave(connection, work)
        elif work is not None:
            work()
        exchange.after_command()

    # --- requests ---------------------------------------------------------------------------------

    def _obey(self, request: requests.SocketRequest) -> None:
        if isinstance(request, requests.TradingCommand):
            self._command(request)
            return
        if isinstance(request, requests.Done) and self._takes_part():
            self._done(request)  # not counted: it comes once a step, however quick the steps are
            return
        self._rate.take(1)
        if isinstance(request, requests.Login):
            self._login(request)
        elif isinstance(request, requests.Subscribe):
            self._subscribe(request)
        elif isinstance(request, requests.Done):
            self._done(request)
        else:
            self._reply(request, PingAnswer(wall_ms=self.exchange.unix_ms()).model_dump_json())

    def _command(self, command: requests.TradingCommand) -> None:
        caller, lockstep = self._trader(), self.exchange.lockstep
        if lockstep is not None and self._takes_part():  # its limit is so many commands a step
            lockstep.queue(self.connection, partial(self._apply_queued, caller, command))
            return
        caller.rate.take(1)
        self._reply(command, self.exchange.desk.apply(caller.account, command))

    def _apply_queued(self, caller: Caller, command: requests.TradingCommand) -> None:
        """At the end of a lockstep step."""
        try:
            self._reply(command, self.exchange.desk.apply(caller.account, command))
        except ApiError as error:
            self._answer_error(command.id, command.op, error)
        self.exchange.feed.deliver_reports()

    def _login(self, request: requests.Login) -> None:
        connection, exchange = self.connection, self.exchange
        if connection.caller is not None:
            raise ApiError(409, "already_logged_in", "this connection has logged in before")
        try:
            caller = exchange.keys.check(
                request.key,
                request.timestamp,
                request.signature,
                SIGNED_LOGIN,
                exchange.unix_ms(),
            )
        except ApiError as error:
            self._answer_error(request.id, request.op, error)
            connection.close(LOGIN_FAILED, "login failed")
            return
        connection.caller = caller
        connection.cancel_on_disconnect = request.cancel_on_disconnect and caller.role == "trader"
        connection.lockstep = request.lockstep and exchange.lockstep is not None
        result = {
            "account": caller.account,
            "name": caller.name,
            "role": caller.role,
            "epoch": exchange.epoch,
            "mode": exchange.clock.mode,
            "step": exchange.lockstep.step if exchange.lockstep is not None else 0,
        }
        self._reply(request, json.dumps(result))

    def _subscribe(self, request: requests.Subscribe) -> None:
        wanted = [(channel, self._cover(channel, request.symbol)) for channel in request.channels]
        result = {"channels": request.channels, "symbol": request.symbol}
        if request.op == "unsubscribe":
            for channel, row in wanted:
                self.exchange.feed.unsubscribe(self.connection, channel, row)
            self._reply(request, json.dumps(result))
            return
        if len(self.connection.subscriptions.union(wanted)) > SUBSCRIPTIONS_MAX:
            raise ApiError(
                429, "rate_limited", "too many subscriptions", limit=str(SUBSCRIPTIONS_MAX)
            )
        self._reply(request, json.dumps(result))
        for channel, row in wanted:
            self.exchange.feed.subscribe(self.connection, channel, row)
        lockstep = self.exchange.lockstep
        if lockstep is not None and self.connection.lockstep:
            for row in sorted({row for _, row in wanted if row != ALL}):
                lockstep.follow(self.connection, row)

    def _cover(self, channel: str, symbol: str | None) -> int:
        """Which instrument a subscription is about. Raises ApiError."""
        if channel in PRIVATE_CHANNELS:
            self._trader()
        if channel not in MARKET_CHANNELS:
            return ALL
        if symbol is None:
            raise unreadable(f"the channel {channel} needs a symbol", "symbol")
        return self.exchange.desk.instrument(symbol)

    def _done(self, request: requests.Done) -> None:
        lockstep = self.exchange.lockstep
        if lockstep is None:
            raise ApiError(409, "wrong_mode", "this exchange does not run in lockstep")
        row = None if request.symbol is None else self.exchange.desk.instrument(request.symbol)
        lockstep.done(self.connection, row, partial(self._reply, request, "{}"))

    # --- parts ------------------------------------------------------------------------------------

    def _takes_part(self) -> bool:
        """Whether lockstep steps wait for this connection."""
        lockstep = self.exchange.lockstep
        return lockstep is not None and lockstep.takes_part(self.connection)

    def _trader(self) -> Caller:
        caller = self.connection.caller
        if caller is None:
            raise ApiError(401, "unauthenticated", "log in first")
        if caller.role != "trader":
            raise ApiError(403, "forbidden", f"the role {caller.role!r} does not trade")
        return caller

    def _reply(self, request: requests.SocketRequest, result: str) -> None:
        re = "null" if request.id is None else request.id
        text = f'{{"re":{re},"op":"{request.op}","result":{result}}}'
        self.exchange.feed.reply(self.connection, text.encode())

    def _answer_error(self, number: int | None, operation: str | None, error: ApiError) -> None:
        re = "null" if number is None else number
        op = "null" if operation is None else f'"{operation}"'
        text = f'{{"re":{re},"op":{op},"error":{error.detail.model_dump_json()}}}'
        self.exchange.feed.reply(self.connection, text.encode())

    def _answer_unreadable(self, text: str, error: ApiError) -> None:
        number, operation = _guess(text)
        self._answer_error(number, operation, error)
        self._n_unreadable += 1
        if self._n_unreadable > UNREADABLE_MAX:
            self.connection.close(UNREADABLE, "too many unreadable messages")
        self.exchange.after_command()


def _guess(text: str) -> tuple[int | None, str | None]:
    """The id and op of a message that cannot be read, for the error to name them."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(message, dict):
        return None, None
    number, operation = message.get("id"), message.get("op")
    fits = type(number) is int and 0 <= number <= requests.ID_MAX
    return (number if fits else None), (
        operation if isinstance(operation, str) and operation in OPERATIONS else None
    )
