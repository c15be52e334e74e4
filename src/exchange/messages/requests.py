"""What a client may say. Strict: a field too many, a number where a string belongs is refused.

Turning decimals into ticks and lots, and every rule of the market, is left to the server.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from exchange.messages.base import Decimal, Message, SideName, Symbol, TimeInForceName

ID_MAX = 2**53 - 1  # the largest integer that JSON readers everywhere keep exact
TIME_NS_MAX = 2**62
BATCH_MAX = 20  # commands in one batch
LEVELS_MAX = 100_000  # levels a side that can be asked for
EQUITY_POINTS_MAX = 600  # one a second
ROWS_MAX = 1_000  # trades, candles or fills in one answer
STEPS_MAX = 100  # lockstep steps in one request
CHANNELS_MAX = 16  # channels named in one subscription

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,24}$")]
ClientOrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,36}$")]
Id = Annotated[int, Field(ge=0, le=ID_MAX)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=128)]

SelfTradePrevention = Literal["cancel_newest", "cancel_oldest", "cancel_both"]
ShockName = Literal[
    "flash_crash", "rally", "volatility_spike", "liquidity_drought", "news_jump", "halt"
]
Channel = Literal[
    "book", "trades", "ticker", "candles", "status", "heartbeat", "orders", "fills", "account"
]


class Query(BaseModel):
    """What follows the `?` of a request: text, so numbers are read from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EnterOrder(Message):
    """A wish to trade."""

    symbol: Symbol
    side: SideName
    quantity: Decimal
    price: Decimal | None = Field(None, description="required for limit, forbidden for market")
    type: Literal["limit", "market"] = "limit"
    time_in_force: TimeInForceName | None = Field(
        None, description="gtc for a limit order, ioc for a market order unless given"
    )
    expire_ns: Annotated[int, Field(gt=0, le=TIME_NS_MAX)] | None = Field(
        None, description="market time at which a gtd order ends; only with gtd"
    )
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: SelfTradePrevention = "cancel_newest"
    client_order_id: ClientOrderId | None = None
    deadline_ms: Annotated[int, Field(gt=0, le=ID_MAX)] | None = Field(
        None, description="unix time in ms after which the order is refused instead of entered"
    )


class ReplaceOrder(Message):
    """A new price and a new open quantity for a resting order."""

    price: Decimal
    quantity: Decimal


class QuoteBoth(Message):
    """Both sides of a two-sided quote at once; a null price or quantity "0" leaves a side empty."""

    symbol: Symbol
    bid_price: Decimal | None = None
    bid_quantity: Decimal = "0"
    ask_price: Decimal | None = None
    ask_quantity: Decimal = "0"
    post_only: bool = False
    self_trade_prevention: SelfTradePrevention = "cancel_newest"


class EnterCommand(EnterOrder):
    """Enter, in a batch or over the WebSocket."""

    op: Literal["enter"]
    id: Id | None = None


class ReplaceCommand(ReplaceOrder):
    """Replace, in a batch or over the WebSocket."""

    op: Literal["replace"]
    order_id: Id
    id: Id | None = None


class CancelCommand(Message):
    """Cancel one order."""

    op: Literal["cancel"]
    order_id: Id
    id: Id | None = None


class CancelAllCommand(Message):
    """Cancel all own orders, of every symbol if none is named."""

    op: Literal["cancel_all"]
    symbol: Symbol | None = None
    id: Id | None = None


class QuoteCommand(QuoteBoth):
    """Replace the quote, in a batch or over the WebSocket."""

    op: Literal["quote"]
    id: Id | None = None


TradingCommand = EnterCommand | ReplaceCommand | CancelCommand | CancelAllCommand | QuoteCommand


class Batch(Message):
    """Commands applied back to back, each with its own result."""

    commands: Annotated[
        list[Annotated[TradingCommand, Field(discriminator="op")]],
        Field(min_length=1, max_length=BATCH_MAX),
    ]


class DeadMan(Message):
    """Cancel all own orders unless called again within this time; 0 disarms."""

    timeout_ms: Annotated[int, Field(ge=0, le=86_400_000)]


class SymbolOnly(Message):
    """Which symbol to halt or resume."""

    symbol: Symbol


class SetLimits(Message):
    """An account's limits in one symbol; 0 is no limit, what is not given stays."""

    account: Id
    symbol: Symbol
    position_max: Decimal | None = None
    quantity_max: Decimal | None = None
    n_open_max: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    loss_max: Decimal | None = None


class SetClock(Message):
    """How the market's clock runs; `advance_steps` in lockstep, or while paused."""

    speed: Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)] | None = None
    paused: bool | None = None
    advance_steps: Annotated[int, Field(ge=1, le=STEPS_MAX)] | None = None


class Scenario(Message):
    """A shock for the stress timetable, in market time from now."""

    symbol: Symbol
    kind: ShockName
    magnitude: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = Field(
        1.0, description="1 is a usual one; below 0 only for news_jump: bad news"
    )
    duration_s: Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)] = 10.0
    delay_s: Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)] = 0.0


class SetAccount(Message):
    """Whether the leaderboard shows the own account."""

    visible: bool


class NewAccount(Message):
    """A trader account to be opened; a visible one stands in the leaderboard."""

    name: Name
    visible: bool = True


class Login(Message):
    """Who this connection is; signature over timestamp + "GET" + "/v1/ws"."""

    op: Literal["login"]
    key: Token
    timestamp: Token
    signature: Token
    cancel_on_disconnect: bool = False
    lockstep: bool = False
    id: Id | None = None


class Subscribe(Message):
    """Start (or, for the book, start afresh) the messages of some channels."""

    op: Literal["subscribe", "unsubscribe"]
    channels: Annotated[list[Channel], Field(min_length=1, max_length=CHANNELS_MAX)]
    symbol: Symbol | None = None
    id: Id | None = None


class Done(Message):
    """Lockstep: no more commands for this step."""

    op: Literal["done"]
    symbol: Symbol | None = None
    id: Id | None = None


class Ping(Message):
    """Answered at once with the market's and the server's time."""

    op: Literal["ping"]
    id: Id | None = None


SocketRequest = Annotated[
    TradingCommand | Login | Subscribe | Done | Ping, Field(discriminator="op")
]


class SymbolQuery(Query):
    """One symbol, or all."""

    symbol: Symbol | None = None


class BookQuery(Query):
    """Levels a side; 0 is all of them."""

    symbol: Symbol
    levels: Annotated[int, Field(ge=0, le=LEVELS_MAX)] = 10


class TradesQuery(Query):
    """The newest trades of a symbol."""

    symbol: Symbol
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 100


class CandlesQuery(Query):
    """The newest candles of a symbol."""

    symbol: Symbol
    interval_s: Annotated[int, Field(ge=1, le=86_400)] = 1
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 100


class LeaderboardQuery(Query):
    """How many points of every account's equity history."""

    points: Annotated[int, Field(ge=0, le=EQUITY_POINTS_MAX)] = 0


class FillsQuery(Query):
    """Own fills with a `fill_id` above `after`."""

    symbol: Symbol | None = None
    after: Annotated[int, Field(ge=0, le=ID_MAX)] = 0
    limit: Annotated[int, Field(ge=1, le=ROWS_MAX)] = 100


class NoQuery(Query):
    """Nothing may be asked."""
