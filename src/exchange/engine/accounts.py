"""Positions, cash and fees, and the checks that an order must pass before it enters.

Money is exact: cash in tick-lots, fees in millionths of a tick-lot. In every market positions sum
to zero, cash sums to zero and fees sum to what the venue has collected.
"""

import numpy as np

from exchange.engine.codes import Option, RejectReason, Side, TimeInForce
from exchange.engine.kernel import kernel
from exchange.engine.records import FEE_UNITS, LEDGER_MAX, NOTIONAL_MAX, QUANTITY_MAX, Markets

# What a trader's account may do unless its venue says otherwise: the same live, in backtests and in
# training. Lots, lots, resting orders, tick-lots; 0 is no limit.
DEFAULT_LIMITS = {"position_max": 1_000, "quantity_max": 500, "n_open_max": 200, "loss_max": 0}


def set_default_limits(markets: Markets, account: int) -> None:
    """Give an account the default limits in markets (n,) where it has none of its own."""
    records = markets["accounts"][:, account]
    unlimited = ~np.any([records[name] for name in DEFAULT_LIMITS], axis=0)
    for name, value in DEFAULT_LIMITS.items():
        records[name][unlimited] = value


@kernel
def open_quantity(account, side):
    """Lots in the account's resting orders of one side."""
    return account.buy_open if side == Side.BUY else account.sell_open


@kernel
def add_open(account, side, quantity):
    """Count lots into (or, negative, out of) the account's resting orders."""
    bought = quantity if side == Side.BUY else 0
    account.buy_open += bought
    account.sell_open += quantity - bought


@kernel
def settle(account, side, price, quantity, fee):
    """Book one fill. fee: millionths of a tick-lot, negative for a rebate."""
    if side == Side.BUY:
        account.position += quantity
        account.cash -= price * quantity
        account.bought += quantity
    else:
        account.position -= quantity
        account.cash += price * quantity
        account.sold += quantity
    account.fees += fee
    account.n_fills += 1


@kernel
def equity(markets, account_number):
    """Cash plus position at the last price, less fees, over all markets of a venue (tick-lots)."""
    total = 0
    for row in range(len(markets)):
        account = markets[row].accounts[account_number]
        total += account.cash + account.position * markets[row].last_price
        total -= account.fees // FEE_UNITS
    return total


@kernel
def loss_reached(markets, account_number):
    """Whether the account may only reduce: in any market its venue-wide loss limit is reached."""
    for row in range(len(markets)):
        loss_max = markets[row].accounts[account_number].loss_max
        if loss_max > 0 and equity(markets, account_number) <= -loss_max:
            return True
    return False


@kernel
def check_options(options, now_ns, expire_ns):
    """Whether an order's options agree with each other and with the clock."""
    time_in_force = options & Option.TIME_IN_FORCE
    takes_only = time_in_force == TimeInForce.IOC or time_in_force == TimeInForce.FOK
    if options < 0 or options > 127:
        return RejectReason.INVALID_OPTIONS
    if (options & Option.MARKET) != 0 and not takes_only:
        return RejectReason.INVALID_OPTIONS
    if (options & Option.POST_ONLY) != 0 and takes_only:
        return RejectReason.INVALID_OPTIONS
    if time_in_force == TimeInForce.GTD and expire_ns <= now_ns:
        return RejectReason.INVALID_TIME
    return RejectReason.NONE


@kernel
def check_price_and_quantity(market, options, price, quantity):
    """Whether the market can hold such an order at all."""
    if quantity < 1 or quantity > QUANTITY_MAX:
        return RejectReason.QUANTITY_OUT_OF_RANGE
    row_max = len(market.levels) - 1
    if (options & Option.MARKET) == 0:
        if price <= market.price_base or price > market.price_base + row_max:
            return RejectReason.PRICE_OUT_OF_RANGE
        if market.band_ticks > 0 and abs(price - market.last_price) > market.band_ticks:
            return RejectReason.PRICE_BAND
    # at the ladder's top, so that no fill can be dearer: a sell may trade far above its limit
    if quantity * (market.price_base + row_max) > NOTIONAL_MAX:
        return RejectReason.NOTIONAL_MAX
    return RejectReason.NONE


@kernel
def check_account(market, account, side, quantity, options, replaced, only_reducing):
    """Whether the account may have such an order.

    replaced: open lots of the order that this one replaces, 0 for a new one. only_reducing: its
    loss limit is reached.
    """
    may_rest = (options & Option.TIME_IN_FORCE) % 3 == 0  # gtc 0, gtd 3
    if account.quantity_max > 0 and quantity > account.quantity_max:
        return RejectReason.ACCOUNT_QUANTITY_MAX
    if account.n_open_max > 0 and may_rest and replaced == 0:
        if account.n_open >= account.n_open_max:
            return RejectReason.ACCOUNT_OPEN_ORDERS_MAX
    signed_position = account.position if side == Side.BUY else -account.position
    open_after = open_quantity(account, side) + quantity - replaced
    if account.position_max > 0 and signed_position + open_after > account.position_max:
        return RejectReason.ACCOUNT_POSITION_MAX
    # While a reduce-only order rests, all that is open on its side must fit into the position: then
    # no order of fills can carry the position through zero.
    reduce_only = (options & Option.REDUCE_ONLY) != 0
    if reduce_only or (account.n_reduce_only > 0 and signed_position < 0):
        counted = open_after if may_rest or account.n_reduce_only > 0 else quantity
        if counted > -signed_position:
            return RejectReason.REDUCE_ONLY
    if only_reducing and not reduce_only:
        return RejectReason.ACCOUNT_LOSS_MAX
    if abs(account.cash) > LEDGER_MAX or abs(account.fees) > LEDGER_MAX:
        return RejectReason.ACCOUNT_LEDGER_MAX
    if abs(market.fees_collected) > LEDGER_MAX:
        return RejectReason.ACCOUNT_LEDGER_MAX
    return RejectReason.NONE
