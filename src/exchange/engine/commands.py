"""Commands as records, applied to the markets of one venue: one at a time or an array of them.

What happened stands in the market's events afterwards. `door.py` takes the same commands as calls
with plain integers.
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
    """Apply one COMMAND; the events of the market it names are then this command's alone.

    Returns the order's id (enter, cancel, replace), 0 (others), or -RejectReason when refused.
    """
    if command.instrument < 0 or command.instrument >= len(markets):
        return -RejectReason.UNKNOWN_INSTRUMENT
    markets[command.instrument].n_events = 0
    return obey(markets, command)


@kernel
def obey(markets, command):
    """One command to an existing market; its events are appended."""
    market = markets[command.instrument]
    account = command.account
    kind = command.kind
    if account < 0 or account >= len(market.accounts):
        reason = RejectReason.UNKNOWN_ACCOUNT
        return emit_rejected(market, account, 0, 0, command.price, command.quantity, reason)
    if kind == CommandKind.ENTER:
        return enter_order(
            market,
            account,
            command.side,
            command.price,
            command.quantity,
            command.options,
            command.expire_ns,
            loss_reached(markets, account),
        )
    if kind == CommandKind.CANCEL:
        return cancel_order(market, account, command.order_id)
    if kind == CommandKind.REPLACE:
        return replace_order(
            market,
            account,
            command.order_id,
            command.price,
            command.quantity,
            loss_reached(markets, account),
        )
    if kind == CommandKind.QUOTE:
        return quote(
            market,
            account,
            command.price,
            command.quantity,
            command.ask_price,
            command.ask_quantity,
            command.options,
            command.expire_ns,
            loss_reached(markets, account),
        )
    if kind == CommandKind.CANCEL_ALL:
        cancel_account_orders(market, account)
        return 0
    return administer(market, command)


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
    if kind == CommandKind.SET_LIMITS:
        return set_limits(market, account, command)
    return emit_rejected(market, account, 0, 0, 0, 0, RejectReason.UNKNOWN_COMMAND)


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
    """Whether one more command surely fits: it can end every resting order, and its own twice."""
    return market.n_events + market.n_resting + 8 <= len(market.events)


@kernel
def apply_commands(markets, commands, events, results):
    """Apply an array of COMMAND in order.

    events: EVENT array that receives all events, those of one market in its order. results: int64
    (len(commands),), as `apply_command` returns. Stops early when `events` might not hold another
    command's. Returns (commands applied, events written).
    """
    for market in range(len(markets)):
        markets[market].n_events = 0
    n_written = 0
    n_applied = 0
    for i in range(len(commands)):
        instrument = commands[i].instrument
        n_applied = i + 1
        if instrument < 0 or instrument >= len(markets):
            results[i] = -RejectReason.UNKNOWN_INSTRUMENT
            continue
        market = markets[instrument]
        if market.n_resting + 8 > len(events) - n_written:
            n_applied = i
            break
        results[i] = obey(markets, commands[i])
        for k in range(market.n_events):
            events[n_written + k] = market.events[k]
        n_written += market.n_events
        market.n_events = 0
    return n_applied, n_written
