"""What the server answers and reports."""

from typing import Literal

from exchange.messages.base import Message, Role, SideName, TimeInForceName

Status = Literal["resting", "partially_filled", "filled", "canceled"]


class ErrorDetail(Message):
    """What went wrong, and whether the same request may succeed later."""

    code: str
    message: str
    field: str | None = None
    retryable: bool = False
    limit: str | None = None


class ErrorAnswer(Message):
    """The body of every answer with a status of 400 or above."""

    error: ErrorDetail


class OrderAnswer(Message):
    """One order as it stands."""

    order_id: int
    client_order_id: str | None
    symbol: str
    side: SideName
    status: Status
    price: str | None
    quantity: str
    open_quantity: str
    filled_quantity: str
    average_price: str | None
    cancel_reason: str | None
    kept_priority: bool | None
    time_ns: int
    time_in_force: TimeInForceName
    post_only: bool
    reduce_only: bool


class OpenOrderAnswer(OrderAnswer):
    """An open order and how much rests before it at its price."""

    quantity_ahead: str


class OrdersAnswer(Message):
    """Own open orders, oldest first."""

    orders: list[OpenOrderAnswer]


class QuoteAnswer(Message):
    """Both sides of the quote as they stand."""

    symbol: str
    bid: OrderAnswer | None
    ask: OrderAnswer | None
    bid_error: ErrorDetail | None
    ask_error: ErrorDetail | None
    time_ns: int


class CanceledAnswer(Message):
    """How many orders a cancel-all took out."""

    n_canceled: int
    time_ns: int


class BatchAnswer(Message):
    """One result a command, in the order of the commands."""

    results: list[OrderAnswer | QuoteAnswer | CanceledAnswer | ErrorAnswer]


class Hello(Message):
    """Who answers."""

    hello: str
    version: str


class InstrumentAnswer(Message):
    """What is traded, and within which bounds."""

    symbol: str
    tick_size: str
    lot_size: str
    price_min: str
    price_max: str
    maker_fee_ppm: int
    taker_fee_ppm: int
    price_band_ticks: int
    step_ns: int


class InstrumentsAnswer(Message):
    """All instruments of the venue."""

    instruments: list[InstrumentAnswer]


class SymbolStatus(Message):
    """One market's phase and clock."""

    symbol: str
    phase: Literal["open", "halted"]
    time_ns: int
    seq: int


class ScenarioAnswer(Message):
    """A shock of the stress timetable; times are market time."""

    symbol: str
    kind: str
    magnitude: float
    begin_ns: int
    end_ns: int


class StatusAnswer(Message):
    """The venue's state; `step` counts lockstep steps, `scenarios` are the newest that began."""

    epoch: int
    version: str
    mode: Literal["wall", "lockstep"]
    speed: float
    paused: bool
    step: int
    wall_ms: int
    symbols: list[SymbolStatus]
    scenarios: list[ScenarioAnswer]


class BookAnswer(Message):
    """The book: [price, quantity] levels, best first, and the CRC-32 of the ten best."""

    channel: Literal["book"]
    type: Literal["snapshot"]
    symbol: str
    epoch: int
    seq: int
    time_ns: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    bought: str
    sold: str
    last_price: str
    checksum: int


class TradeAnswer(Message):
    """One trade, as everybody sees it."""

    channel: Literal["trades"] = "trades"
    type: Literal["trade"] = "trade"
    symbol: str
    trade_id: int
    seq: int
    time_ns: int
    price: str
    quantity: str
    taker_side: SideName


class TradesAnswer(Message):
    """Trades, newest last."""

    trades: list[TradeAnswer]


class CandleAnswer(Message):
    """Open, high, low, close of one interval that had trades."""

    channel: Literal["candles"] = "candles"
    type: Literal["candle"] = "candle"
    symbol: str
    interval_s: int
    open_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    n_trades: int
    closed: bool


class CandlesAnswer(Message):
    """Candles, oldest first."""

    candles: list[CandleAnswer]


class Standing(Message):
    """One visible account; pnl is cash + position at the last price - fees.

    spread_earned: what its fills earned against the mid just before them. equity_history: its pnl
    once a second of wall time, oldest first, as many points as asked for.
    """

    name: str
    position: str
    positions: dict[str, str]
    pnl: str
    fees: str
    n_fills: int
    volume: str
    spread_earned: str
    equity_history: list[str]


class LeaderboardAnswer(Message):
    """Visible accounts, best pnl first."""

    accounts: list[Standing]


class LimitsAnswer(Message):
    """An account's limits in one symbol; 0 is no limit."""

    position_max: str
    quantity_max: str
    n_open_max: int
    loss_max: str


class PositionAnswer(Message):
    """An account in one symbol; cash is before fees, mark is the last price."""

    symbol: str
    position: str
    cash: str
    fees: str
    mark: str
    n_open: int
    buy_open: str
    sell_open: str
    bought: str
    sold: str
    n_fills: int
    limits: LimitsAnswer


class AccountAnswer(Message):
    """An account over all symbols: equity = cash + positions at their marks - fees."""

    account: int
    name: str
    visible: bool
    cash: str
    fees: str
    equity: str
    time_ns: int
    positions: list[PositionAnswer]


class FillAnswer(Message):
    """One trade as its owner sees it; `mid` is the mid just before the trade's command."""

    fill_id: int
    order_id: int
    client_order_id: str | None
    symbol: str
    side: SideName
    price: str
    quantity: str
    role: Literal["maker", "taker"]
    fee: str
    mid: str | None
    position_after: str
    cash_after: str
    time_ns: int


class FillsAnswer(Message):
    """Own fills, oldest first."""

    fills: list[FillAnswer]


class DeadManAnswer(Message):
    """The timer as it is set now."""

    timeout_ms: int


class AccountOpened(Message):
    """A new account; its secret is shown this once."""

    account: int
    name: str
    role: Role
    key: str
    secret: str


class PingAnswer(Message):
    """The server's wall clock."""

    wall_ms: int
