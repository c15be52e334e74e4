"""Commands applied to the markets of one venue: one at a time, or an array of them.

What happened stands in the market's events afterwards. `door.py` makes Python calls of them. Each
returns the order's id (enter, cancel, replace), 0 (others), or -RejectReason when refused.
"""

from exchange.engine.accounts import loss_reached
from exchange.engine.codes import CommandKind, EventKind, Phase, RejectReason, Side
from exchange.engine.events import emit_rejected, new_event
from exchange.engine.kernel import kernel
from exchange.engine.matching import (
    cancel_account_orders,
    cancel_order,
    enter_order,
    expire_orders,
    quote,
    replace_order,
)


@kernel
def apply_command(markets, command):
    """Apply one COMMAND; the events of the market it names are then this command's alone."""
    if not begin(markets, command.instrument):
        return -RejectReason.UNKNOWN_INSTRUMENT
    return obey(markets, command)


@kernel
def begin(markets, instrument):
    """Forget the events of the command before; whether there is such a market."""
    if instrument < 0 or instrument >= len(markets):
        return False
    markets[instrument].n_events = 0
    return True


@kernel
def obey(markets, command):
    """One command to an existing market; its events are appended."""
    instrument = command.instrument
    account = command.account
    kind = command.kind
    price = command.price
    quantity = command.quantity
    options = command.options
    expire_ns = command.expire_ns
    if kind == CommandKind.ENTER:
        side = command.side
        return enter(markets, instrument, account, side, price, quantity, options, expire_ns)
    if kind == CommandKind.CANCEL:
        return cancel(markets, instrument, account, command.order_id)
    if kind == CommandKind.REPLACE:
        return replace(markets, instrument, account, command.order_id, price, quantity)
    if kind == CommandKind.QUOTE:
        return quote_both(
            markets,
            instrument,
            account,
            price,
            quantity,
            command.ask_price,
            command.ask_quantity,
            options,
            expire_ns,
        )
    if kind == CommandKind.CANCEL_ALL:
        return cancel_all(markets, instrument, account)
    return administer(markets[instrument], command)


@kernel
def enter(markets, instrument, account, side, price, quantity, options, expire_ns):
    market = markets[instrument]
    if not known(market, account):
        return refuse_account(market, account, side, 0, price, quantity)
    only_reducing = loss_reached(markets, account)
    return enter_order(market, account, side, price, quantity, options, expire_ns, only_reducing)


@kernel
def cancel(markets, instrument, account, order_id):
    market = markets[instrument]
    if not known(market, account):
        return refuse_account(market, account, 0, order_id, 0, 0)
    return cancel_order(market, account, order_id)


@kernel
def replace(markets, instrument, account, order_id, price, quantity):
    market = markets[instrument]
    if not known(market, account):
        return refuse_account(market, account, 0, order_id, price, quantity)
    only_reducing = loss_reached(markets, account)
    return replace_order(market, account, order_id, price, quantity, only_reducing)


@kernel
def quote_both(
    markets,
    instrument,
    account,
    bid_price,
    bid_quantity,
    ask_price,
    ask_quantity,
    options,
    expire_ns,
):
    market = markets[instrument]
    if not known(market, account):
        return refuse_account(market, account, 0, 0, bid_price, bid_quantity)
    return quote(
        markets,
        market,
        account,
        bid_price,
        bid_quantity,
        ask_price,
        ask_quantity,
        options,
        expire_ns,
    )


@kernel
def cancel_all(markets, instrument, account):
    market = markets[instrument]
    if not known(market, account):
        return refuse_account(market, account, 0, 0, 0, 0)
    cancel_account_orders(market, account)
    return 0


@kernel
def known(market, account):
    return 0 <= account < len(market.accounts)


@kernel
def refuse_account(market, account, side, order_id, price, quantity):
    reason = RejectReason.UNKNOWN_ACCOUNT
    return emit_rejected(market, account, side, order_id, price, quantity, reason)


@kernel
def administer(market, command):
    """The venue's own commands: the clock, halts, limits."""
    kind = command.kind
    account = command.account
    if kind == CommandKind.ADVANCE:
        return advance_clock(market, command.time_ns)
    if kind == CommandKind.HALT or kind == CommandKind.RESUME:
        change_phase(market, kind == CommandKind.HALT)
        return 0
    if kind != CommandKind.SET_LIMITS:
        return emit_rejected(market, account, 0, 0, 0, 0, RejectReason.UNKNOWN_COMMAND)
    if not known(market, account):
        return refuse_account(market, account, 0, 0, 0, 0)
    return set_limits(market, account, command)


@kernel
def advance(markets, instrument, time_ns):
    return advance_clock(markets[instrument], time_ns)


@kernel
def advance_clock(market, time_ns):
    """Move the clock forward and expire what is due."""
    if time_ns < market.now_ns:
        return emit_rejected(market, 0, 0, 0, 0, 0, RejectReason.INVALID_TIME)
    market.now_ns = time_ns
    if market.expire_next_ns != 0 and market.expire_next_ns <= time_ns:
        expire_orders(market)
    return 0


@kernel
def change_phase(market, halt):
    """Halt or resume; nothing happens when it already is."""
    if halt and market.phase == Phase.OPEN:
        market.phase = Phase.HALTED
        new_event(market, EventKind.HALTED, 0, Side.BUY, 0, 0, 0)
    elif not halt and market.phase == Phase.HALTED:
        market.phase = Phase.OPEN
        new_event(market, EventKind.RESUMED, 0, Side.BUY, 0, 0, 0)


@kernel
def set_limits(market, account, command):
    """Set an account's limits in this market; COMMAND says in which fields they stand."""
    position_max = command.expire_ns
    loss_max = command.order_id
    quantity_max = command.quantity
    n_open_max = command.ask_quantity
    if position_max < 0 or loss_max < 0 or quantity_max < 0 or n_open_max < 0:
        return emit_rejected(market, account, 0, 0, 0, 0, RejectReason.INVALID_LIMITS)
    record = market.accounts[account]
    record.position_max = position_max
    record.loss_max = loss_max
    record.quantity_max = quantity_max
    record.n_open_max = n_open_max
    new_event(market, EventKind.LIMITS_SET, account, Side.BUY, 0, 0, 0)
    return 0


@kernel
def room_for_events(market):
    """Whether the event buffer surely holds one more command's: it ends at most all that rests."""
    return market.n_events + market.n_resting + 8 <= len(market.events)


@kernel
def apply_commands(markets, commands, events, results):
    """Apply an array of COMMAND in order.

    events: EVENT array that receives all events, those of one market in its order. results: int64
    (len(commands),), as `apply_command` returns. Stops early when `events` might not hold another
    command's: n_resting + 8 free places are enough for one. Returns (commands applied, events
    written).
    """
    n_written = 0
    for i in range(len(commands)):
        instrument = commands[i].instrument
        if not begin(markets, instrument):
            results[i] = -RejectReason.UNKNOWN_INSTRUMENT
            continue
        market = markets[instrument]
        if market.n_resting + 8 > len(events) - n_written:
            return i, n_written
        results[i] = obey(markets, commands[i])
        for k in range(market.n_events):
            events[n_written + k] = market.events[k]
        n_written += market.n_events
    return len(commands), n_written
