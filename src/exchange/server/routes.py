"""The table of REST routes: each line reads one call, asks the exchange and answers.

A handler is given the exchange, the caller (unless anybody may call), the order id where the path
has one, and the query or body that its line names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

from exchange.messages import answers, requests
from exchange.messages.base import Message
from exchange.server import administration, queries
from exchange.server.auth import Caller
from exchange.server.service import Exchange

Who = Literal["anybody", "trader", "admin"]
Answer = Message | str | bytes  # a message, or its JSON
Handler = TypeVar("Handler", bound=Callable[..., Answer])


@dataclass(frozen=True)
class Route:
    """One line of the API; what it says of itself becomes the OpenAPI description."""

    method: str
    path: str
    handler: Callable[..., Answer]
    answer: type[Message]
    who: Who
    query: type[requests.Query] | None
    body: type[Message] | None
    status: int
    command: bool  # may change a market, and counts against the rate limit

    @cached_property
    def has_order_id(self) -> bool:
        """Whether the path names an order."""
        return "{order_id}" in self.path

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().splitlines()[0]


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    answer: type[Message],
    who: Who = "anybody",
    *,
    query: type[requests.Query] | None = None,
    body: type[Message] | None = None,
    status: int = 200,
    command: bool = False,
) -> Callable[[Handler], Handler]:
    """Put a handler into the table."""

    def add(handler: Handler) -> Handler:
        ROUTES.append(Route(method, path, handler, answer, who, query, body, status, command))
        return handler

    return add


# --- public ---------------------------------------------------------------------------------------


@route("GET", "/v1/instruments", answers.InstrumentsAnswer)
def get_instruments(exchange: Exchange) -> Message:
    """What is traded, and within which bounds."""
    return queries.instruments(exchange)


@route("GET", "/v1/status", answers.StatusAnswer)
def get_status(exchange: Exchange) -> Message:
    """The venue's clock and each market's phase."""
    return queries.status(exchange)


@route("GET", "/v1/book", answers.BookAnswer, query=requests.BookQuery)
def get_book(exchange: Exchange, query: requests.BookQuery) -> bytes:
    """The book as it stands."""
    exchange.clock.catch_up()
    row = exchange.desk.instrument(query.symbol)
    return exchange.feed.books[row].snapshot_now(query.levels)


@route("GET", "/v1/trades", answers.TradesAnswer, query=requests.TradesQuery)
def get_trades(exchange: Exchange, query: requests.TradesQuery) -> Message:
    """The newest trades, newest last."""
    return queries.trades(exchange, query)


@route("GET", "/v1/candles", answers.CandlesAnswer, query=requests.CandlesQuery)
def get_candles(exchange: Exchange, query: requests.CandlesQuery) -> Message:
    """The newest candles, oldest first; an interval without trades has none."""
    return queries.candles(exchange, query)


@route("GET", "/v1/leaderboard", answers.LeaderboardAnswer, query=requests.LeaderboardQuery)
def get_leaderboard(exchange: Exchange, query: requests.LeaderboardQuery) -> Message:
    """The accounts that choose to be seen, best pnl first."""
    return queries.leaderboard(exchange, query.points)


# --- orders ---------------------------------------------------------------------------------------


@route(
    "POST",
    "/v1/orders",
    answers.OrderAnswer,
    "trader",
    body=requests.EnterOrder,
    status=201,
    command=True,
)
def post_order(exchange: Exchange, caller: Caller, order: requests.EnterOrder) -> str:
    """Enter one order."""
    return exchange.desk.enter(caller.account, order)


@route("GET", "/v1/orders", answers.OrdersAnswer, "trader", query=requests.SymbolQuery)
def get_orders(exchange: Exchange, caller: Caller, query: requests.SymbolQuery) -> str:
    """Own open orders and their places in the queue, oldest first."""
    return exchange.desk.open_orders(caller.account, query.symbol)


@route("GET", "/v1/orders/{order_id}", answers.OrderAnswer, "trader")
def get_order(exchange: Exchange, caller: Caller, order_id: int) -> str:
    """One own order, open or among those that ended last."""
    return exchange.desk.order(caller.account, order_id)


@route(
    "PUT",
    "/v1/orders/{order_id}",
    answers.OrderAnswer,
    "trader",
    body=requests.ReplaceOrder,
    command=True,
)
def put_order(
    exchange: Exchange, caller: Caller, order_id: int, change: requests.ReplaceOrder
) -> str:
    """Give an open order a new price and open quantity."""
    return exchange.desk.replace(caller.account, order_id, change.price, change.quantity)


@route("DELETE", "/v1/orders/{order_id}", answers.OrderAnswer, "trader", command=True)
def delete_order(exchange: Exchange, caller: Caller, order_id: int) -> str:
    """Cancel one open order."""
    return exchange.desk.cancel(caller.account, order_id)


@route(
    "DELETE",
    "/v1/orders",
    answers.CanceledAnswer,
    "trader",
    query=requests.SymbolQuery,
    command=True,
)
def delete_orders(exchange: Exchange, caller: Caller, query: requests.SymbolQuery) -> str:
    """Cancel all own orders, of every symbol if none is named."""
    return exchange.desk.cancel_all(caller.account, query.symbol)


@route(
    "POST",
    "/v1/quotes",
    answers.QuoteAnswer,
    "trader",
    body=requests.QuoteBoth,
    command=True,
)
def post_quote(exchange: Exchange, caller: Caller, quote: requests.QuoteBoth) -> str:
    """Replace both sides of the own quote."""
    return exchange.desk.quote(caller.account, quote)


@route(
    "POST",
    "/v1/batch",
    answers.BatchAnswer,
    "trader",
    body=requests.Batch,
    command=True,
)
def post_batch(exchange: Exchange, caller: Caller, batch: requests.Batch) -> str:
    """Apply up to 20 commands back to back; one result each, an error included."""
    caller.rate.take(len(batch.commands) - 1)
    return exchange.desk.batch(caller.account, batch.commands)


# --- account --------------------------------------------------------------------------------------


@route("GET", "/v1/account", answers.AccountAnswer, "trader")
def get_account(exchange: Exchange, caller: Caller) -> Message:
    """Own cash, fees, equity, positions and limits."""
    return queries.account(exchange, caller)


@route(
    "PUT",
    "/v1/account",
    answers.AccountAnswer,
    "trader",
    body=requests.SetAccount,
    command=True,
)
def put_account(exchange: Exchange, caller: Caller, body: requests.SetAccount) -> Message:
    """Choose whether the leaderboard shows the own account."""
    exchange.show_account(caller.account, body.visible)
    return queries.account(exchange, caller)


@route("GET", "/v1/fills", answers.FillsAnswer, "trader", query=requests.FillsQuery)
def get_fills(exchange: Exchange, caller: Caller, query: requests.FillsQuery) -> Message:
    """Own fills after a fill_id, oldest first."""
    return queries.fills(exchange, caller, query)


@route("POST", "/v1/dead_man", answers.DeadManAnswer, "trader", body=requests.DeadMan)
def post_dead_man(exchange: Exchange, caller: Caller, body: requests.DeadMan) -> Message:
    """Cancel all own orders unless called again in time; 0 disarms."""
    exchange.arm_dead_man(caller.account, body.timeout_ms)
    return answers.DeadManAnswer(timeout_ms=body.timeout_ms)


# --- administration -------------------------------------------------------------------------------


@route(
    "POST",
    "/v1/admin/accounts",
    answers.AccountOpened,
    "admin",
    body=requests.NewAccount,
    status=201,
)
def post_account(exchange: Exchange, _caller: Caller, body: requests.NewAccount) -> Message:
    """Open a trader account; the secret is shown this once."""
    return answers.AccountOpened(**exchange.open_account(body.name, body.visible).model_dump())


@route(
    "POST",
    "/v1/admin/halt",
    answers.SymbolStatus,
    "admin",
    body=requests.SymbolOnly,
    command=True,
)
def post_halt(exchange: Exchange, _caller: Caller, body: requests.SymbolOnly) -> Message:
    """Take no more orders in a symbol; cancels are still taken."""
    return administration.halt(exchange, body.symbol)


@route(
    "POST",
    "/v1/admin/resume",
    answers.SymbolStatus,
    "admin",
    body=requests.SymbolOnly,
    command=True,
)
def post_resume(exchange: Exchange, _caller: Caller, body: requests.SymbolOnly) -> Message:
    """Take orders in a symbol again."""
    return administration.resume(exchange, body.symbol)


@route(
    "POST",
    "/v1/admin/limits",
    answers.PositionAnswer,
    "admin",
    body=requests.SetLimits,
    command=True,
)
def post_limits(exchange: Exchange, _caller: Caller, body: requests.SetLimits) -> Message:
    """Set an account's limits in one symbol; what is not given stays."""
    return administration.set_limits(exchange, body)


@route(
    "POST",
    "/v1/admin/scenario",
    answers.ScenarioAnswer,
    "admin",
    body=requests.Scenario,
    command=True,
    status=201,
)
def post_scenario(exchange: Exchange, _caller: Caller, body: requests.Scenario) -> Message:
    """Put a shock into a market's stress timetable."""
    return administration.schedule(exchange, body)


@route(
    "POST",
    "/v1/admin/clock",
    answers.StatusAnswer,
    "admin",
    body=requests.SetClock,
    command=True,
)
def post_clock(exchange: Exchange, _caller: Caller, body: requests.SetClock) -> Message:
    """Change the clock's speed, pause it, or take steps in lockstep."""
    administration.set_clock(exchange, body)
    return queries.status(exchange)
