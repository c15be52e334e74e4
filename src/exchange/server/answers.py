"""What the venue knows, put into the words of the wire: integers in, messages or JSON out."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache

from exchange.engine.codes import Option, TimeInForce
from exchange.engine.records import FEE_UNITS
from exchange.instrument import Instrument
from exchange.messages.answers import (
    AccountAnswer,
    CandleAnswer,
    FillAnswer,
    LimitsAnswer,
    PositionAnswer,
    Standing,
    TradeAnswer,
)
from exchange.messages.base import SideName
from exchange.server.ledger import Account, Ledger
from exchange.server.orders import Fill, Order
from exchange.server.tape import Candle, Trade
from exchange.server.venue import Venue

SIDES: tuple[SideName, SideName] = ("buy", "sell")
AVERAGE_DIGITS = 4  # beyond the tick's own, for an average price that is no whole number of ticks


def order_text(instrument: Instrument, order: Order) -> str:
    """One order as it stands: an OrderAnswer in JSON, written directly since most answers are one.

    No text in it needs escaping: symbols and client order ids are letters, digits and . _ -
    """
    own_id, price, reason = order.client_order_id, order.price, order.cancel_reason
    filled, quantity = order.filled_quantity, instrument.quantity_text
    kept = order.kept_priority
    own_id_text = "null" if own_id is None else f'"{own_id}"'
    price_text = "null" if price is None else f'"{instrument.price_text(price)}"'
    reason_text = "null" if reason is None else f'"{reason}"'
    average_text = _average_price(instrument, order) if filled else "null"
    kept_text = "null" if kept is None else "true" if kept else "false"
    return (
        f'{{"order_id":{order.order_id},"client_order_id":{own_id_text},'
        f'"symbol":"{instrument.symbol}","side":"{SIDES[order.side]}","status":"{order.status}",'
        f'"price":{price_text},"quantity":"{quantity(order.quantity)}",'
        f'"open_quantity":"{quantity(order.open_quantity)}",'
        f'"filled_quantity":"{quantity(filled)}",'
        f'"average_price":{average_text},"cancel_reason":{reason_text},'
        f'"kept_priority":{kept_text},"time_ns":{order.time_ns},{_options_text(order.options)}}}'
    )


@cache
def _options_text(options: int) -> str:
    """What an order asked for beside side, price and quantity."""
    time_in_force = TimeInForce(options & Option.TIME_IN_FORCE).name.lower()
    post_only = "true" if options & Option.POST_ONLY else "false"
    reduce_only = "true" if options & Option.REDUCE_ONLY else "false"
    return f'"time_in_force":"{time_in_force}","post_only":{post_only},"reduce_only":{reduce_only}'


def open_order_text(venue: Venue, order: Order) -> str:
    """One open order and its place in the queue: an OpenOrderAnswer in JSON."""
    instrument = venue.instruments[order.instrument]
    ahead = instrument.quantity_text(venue.quantity_ahead(order))
    return f'{order_text(instrument, order)[:-1]},"quantity_ahead":"{ahead}"}}'


def _average_price(instrument: Instrument, order: Order) -> str:
    """Of all fills so far, in quotes."""
    whole, rest = divmod(order.notional, order.filled_quantity)
    if rest == 0:
        return f'"{instrument.price_text(whole)}"'
    average = Decimal(order.notional) / order.filled_quantity * instrument.tick_size
    exponent = int(instrument.tick_size.normalize().as_tuple().exponent)
    places = max(-exponent, 0) + AVERAGE_DIGITS
    return f'"{average:.{places}f}"'


def mid_text(instrument: Instrument, mid_twice: int) -> str | None:
    """Half of bid + ask; None when a side was empty."""
    if mid_twice == 0:
        return None
    if mid_twice % 2 == 0:
        return instrument.price_text(mid_twice // 2)
    return f"{mid_twice * instrument.tick_size / 2:f}"


def fill_answer(instrument: Instrument, fill: Fill) -> FillAnswer:
    """One trade as its owner sees it."""
    return FillAnswer(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        symbol=instrument.symbol,
        side=SIDES[fill.side],
        price=instrument.price_text(fill.price),
        quantity=instrument.quantity_text(fill.quantity),
        role="maker" if fill.maker else "taker",
        fee=instrument.money_text(0, -fill.fee),
        mid=mid_text(instrument, fill.mid_twice),
        position_after=instrument.quantity_text(fill.position_after),
        cash_after=instrument.money_text(fill.cash_after),
        time_ns=fill.time_ns,
    )


def trade_answer(instrument: Instrument, trade: Trade) -> TradeAnswer:
    """One trade as everybody sees it."""
    return TradeAnswer(
        symbol=instrument.symbol,
        trade_id=trade.trade_id,
        seq=trade.sequence,
        time_ns=trade.time_ns,
        price=instrument.price_text(trade.price),
        quantity=instrument.quantity_text(trade.quantity),
        taker_side=SIDES[trade.side],
    )


def candle_answer(instrument: Instrument, candle: Candle) -> CandleAnswer:
    """One candle."""
    return CandleAnswer(
        symbol=instrument.symbol,
        interval_s=candle.interval_s,
        open_time_ns=candle.open_time_ns,
        open=instrument.price_text(candle.open),
        high=instrument.price_text(candle.high),
        low=instrument.price_text(candle.low),
        close=instrument.price_text(candle.close),
        volume=instrument.quantity_text(candle.volume),
        n_trades=candle.n_trades,
        closed=candle.closed,
    )


def position_answer(instrument: Instrument, ledger: Ledger, last_price: int) -> PositionAnswer:
    """An account in one market."""
    quantity, money = instrument.quantity_text, instrument.money_text
    return PositionAnswer(
        symbol=instrument.symbol,
        position=quantity(ledger.position),
        cash=money(ledger.cash),
        fees=money(0, -ledger.fees),
        mark=instrument.price_text(last_price),
        n_open=ledger.n_open,
        buy_open=quantity(ledger.buy_open),
        sell_open=quantity(ledger.sell_open),
        bought=quantity(ledger.bought),
        sold=quantity(ledger.sold),
        n_fills=ledger.n_fills,
        limits=LimitsAnswer(
            position_max=quantity(ledger.position_max),
            quantity_max=quantity(ledger.quantity_max),
            n_open_max=ledger.n_open_max,
            loss_max=money(ledger.loss_max),
        ),
    )


def account_answer(venue: Venue, account: Account) -> AccountAnswer:
    """An account over all markets."""
    ledgers, last = _ledgers(venue, account)
    money = venue.instruments[0].money_text
    cash, fees, marked = _sums(ledgers, last)
    return AccountAnswer(
        account=account.number,
        name=account.name,
        visible=account.visible,
        cash=money(cash),
        fees=money(0, -fees),
        equity=money(cash + marked, fees),
        time_ns=int(venue.now_ns.max()),
        positions=[
            position_answer(*row) for row in zip(venue.instruments, ledgers, last, strict=True)
        ],
    )


def pnl(venue: Venue, account: Account) -> int:
    """Cash + positions at their marks - fees over all markets, in millionths of a tick-lot."""
    cash, fees, marked = _sums(*_ledgers(venue, account))
    return (cash + marked) * FEE_UNITS - fees


def standings(venue: Venue, histories: Mapping[int, Sequence[int]]) -> list[Standing]:
    """The visible accounts, best pnl first; histories: points of pnl by account number."""
    rows = [
        (pnl(venue, account), _standing(venue, account, histories.get(account.number, ())))
        for account in venue.accounts.values()
        if account.visible
    ]
    return [standing for _, standing in sorted(rows, key=lambda row: -row[0])]


def _standing(venue: Venue, account: Account, history: Sequence[int]) -> Standing:
    instrument = venue.instruments[0]
    quantity, money = instrument.quantity_text, instrument.money_text
    ledgers, last = _ledgers(venue, account)
    cash, fees, marked = _sums(ledgers, last)
    earned_twice = venue.orders(account.number).spread_twice
    return Standing(
        name=account.name,
        position=quantity(sum(ledger.position for ledger in ledgers)),
        positions={
            own.symbol: own.quantity_text(ledger.position)
            for own, ledger in zip(venue.instruments, ledgers, strict=True)
        },
        pnl=money(cash + marked, fees),
        fees=money(0, -fees),
        n_fills=sum(ledger.n_fills for ledger in ledgers),
        volume=quantity(sum(ledger.bought + ledger.sold for ledger in ledgers)),
        spread_earned=money(0, -earned_twice * FEE_UNITS // 2),
        equity_history=[money(0, -point) for point in history],
    )


def _ledgers(venue: Venue, account: Account) -> tuple[list[Ledger], list[int]]:
    rows = range(len(venue.instruments))
    return [venue.ledger(row, account.number) for row in rows], venue.last_price.tolist()


def _sums(ledgers: list[Ledger], last: list[int]) -> tuple[int, int, int]:
    """Cash (tick-lots), fees (millionths of one), positions at their marks (tick-lots)."""
    return (
        sum(ledger.cash for ledger in ledgers),
        sum(ledger.fees for ledger in ledgers),
        sum(ledger.position * price for ledger, price in zip(ledgers, last, strict=True)),
    )
