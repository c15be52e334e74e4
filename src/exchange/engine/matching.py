"""The rules of the market: enter, cancel, replace and quote in price-time priority.

Every kernel changes one MARKET record and appends what happened to its events (`events.py`); nothing
is raised. `docs/RULES.md` states the same rules in words. Callers see to it that account numbers exist.
"""

from exchange.engine.accounts import (
    add_open,
    check_account,
    check_options,
    check_price_and_quantity,
    loss_reached,
    settle,
)
from exchange.engine.book import (
    BUY,
    SELL,
    best_opposite,
    find_order,
    free_slot,
    next_worse,
    price_of,
    rest,
    side_of,
    take_slot,
    unlink,
)
from exchange.engine.codes import CancelReason, Option, Phase, RejectReason, Side, TimeInForce
from exchange.engine.events import (
    emit_canceled,
    emit_order_canceled,
    emit_rejected,
    emit_replaced,
    emit_rested,
    emit_traded,
)
from exchange.engine.kernel import kernel
from exchange.engine.records import LEVEL_QUANTITY_MAX


@kernel
def enter_order(market, account, side, price, quantity, options, expire_ns, only_reducing):
    """Match an order in price-time priority, then rest what is left if it may wait.

    price: ticks, ignored for market orders. quantity: lots. options: a TimeInForce with Option
    bits. only_reducing: the account's loss limit is reached. Returns the order's id, or
    -RejectReason.
    """
    reason = check_entry(
        market, account, side, price, quantity, options, expire_ns, 0, only_reducing
    )
    if reason != RejectReason.NONE:
        return emit_rejected(market, account, side, 0, price, quantity, reason)
    time_in_force = options & Option.TIME_IN_FORCE
    may_rest = time_in_force == TimeInForce.GTC or time_in_force == TimeInForce.GTD
    slot = 0
    if may_rest:
        slot = take_slot(market)
        if slot == 0:
            reason = RejectReason.BOOK_FULL
            return emit_rejected(market, account, side, 0, price, quantity, reason)
    market.n_entered += 1
    order_id = market.n_entered * len(market.orders) + slot
    if (options & Option.MARKET) != 0:
        price = market_limit(market, side)
    if time_in_force == TimeInForce.FOK and not fillable(
        market, account, side, price, quantity, options
    ):
        reason = CancelReason.FILL_OR_KILL
        emit_canceled(market, account, side, order_id, price, quantity, reason)
        return order_id
    left = match(market, order_id, account, side, price, quantity, options)
    if not may_rest:
        if left > 0:
            emit_canceled(market, account, side, order_id, price, left, unfilled_reason(options))
    elif left > 0:
        order = market.orders[slot]
        order.number = market.n_entered
        order.row = price - market.price_base
        order.quantity = left
        order.account = account
        order.options = options
        if time_in_force == TimeInForce.GTD:
            market.expires_ns[slot] = expire_ns
        rest_order(market, side, slot)
    else:
        free_slot(market, slot)
    return order_id


@kernel
def check_entry(
    market, account, side, price, quantity, options, expire_ns, replaced, only_reducing
):
    """Everything that may refuse an order; replaced as in `check_account`."""
    if market.phase != Phase.OPEN:
        return RejectReason.HALTED
    if side != Side.BUY and side != Side.SELL:
        return RejectReason.INVALID_SIDE
    reason = check_options(options, market.now_ns, expire_ns)
    if reason != RejectReason.NONE:
        return reason
    reason = check_price_and_quantity(market, options, price, quantity)
    if reason != RejectReason.NONE:
        return reason
    record = market.accounts[account]
    reason = check_account(market, record, side, quantity, options, replaced, only_reducing)
    if reason != RejectReason.NONE:
        return reason
    if (options & Option.POST_ONLY) != 0 and crosses(
        market, side, price, best_opposite(market, side)
    ):
        return RejectReason.POST_ONLY_WOULD_TRADE
    return RejectReason.NONE


@kernel
def crosses(market, side, price, row):
    """Whether an order of this side and price trades with orders at this row (0: no row)."""
    through = price - market.price_base - row
    return row != 0 and (through if side == Side.BUY else -through) >= 0


@kernel
def market_limit(market, side):
    """The worst price a market order may trade at: the price band's edge, or the ladder's."""
    lowest = market.price_base + 1
    highest = market.price_base + len(market.levels) - 1
    if market.band_ticks > 0:
        lowest = max(lowest, market.last_price - market.band_ticks)
        highest = min(highest, market.last_price + market.band_ticks)
    return highest if side == Side.BUY else lowest


@kernel
def unfilled_reason(options):
    if (options & Option.MARKET) != 0:
        return CancelReason.MARKET_REMAINDER
    return CancelReason.IMMEDIATE_OR_CANCEL


@kernel
def fillable(market, account, side, price, quantity, options):
    """Whether a fill-or-kill order would trade in full, its self-trade prevention counted in."""
    prevention = options & Option.STP
    row = best_opposite(market, side)
    while crosses(market, side, price, row):
        slot = market.levels[row].head
        while slot != 0:
            order = market.orders[slot]
            if order.account != account or prevention == Option.STP_NONE:
                quantity -= order.quantity
            elif prevention != Option.STP_CANCEL_OLDEST:
                return False
            if quantity <= 0:
                return True
            slot = order.next
        row = next_worse(market, 1 - side, row)
    return False


@kernel
def match(market, order_id, account, side, price, quantity, options):
    """Trade with the best resting orders up to a price; returns the lots left open."""
    while quantity > 0:
        row = best_opposite(market, side)
        if not crosses(market, side, price, row):
            break
        slot = market.levels[row].head
        if market.orders[slot].account == account and (options & Option.STP) != 0:
            quantity = prevent_self_trade(
                market, order_id, account, side, price, quantity, options, slot
            )
        else:
            quantity -= trade(market, order_id, account, side, quantity, slot)
    return quantity


@kernel
def prevent_self_trade(market, order_id, account, side, price, quantity, options, slot):
    """Cancel the resting order, the incoming one or both; returns the incoming lots left open."""
    prevention = options & Option.STP
    if prevention != Option.STP_CANCEL_NEWEST:
        cancel_slot(market, slot, CancelReason.SELF_TRADE)
    if prevention != Option.STP_CANCEL_OLDEST:
        reason = CancelReason.SELF_TRADE
        emit_canceled(market, account, side, order_id, price, quantity, reason)
        return 0
    return quantity


@kernel
def trade(market, order_id, account, side, quantity, slot):
    """One trade between the incoming order and the resting one; returns the lots traded."""
    maker = market.orders[slot]
    traded = int(min(quantity, maker.quantity))  # int: 64 bits also where nothing is compiled
    price = price_of(market, slot)
    maker_account = market.accounts[maker.account]
    taker_account = market.accounts[account]
    maker_fee = price * traded * market.maker_fee_ppm
    taker_fee = price * traded * market.taker_fee_ppm
    settle(maker_account, 1 - side, price, traded, maker_fee)
    settle(taker_account, side, price, traded, taker_fee)
    add_open(maker_account, 1 - side, -traded)
    market.fees_collected += maker_fee + taker_fee
    market.last_price = price
    market.n_trades += 1
    if side == Side.BUY:
        market.bought += traded
    else:
        market.sold += traded
    maker.quantity -= traded
    market.levels[maker.row].quantity -= traded
    emit_traded(market, order_id, account, side, slot, traded)
    if maker.quantity == 0:
        forget_order(market, slot)
    return traded


@kernel
def rest_order(market, side, slot):
    """Rest an order written in its slot and count it in its account; cancel it at a full level."""
    order = market.orders[slot]
    if market.levels[order.row].quantity > LEVEL_QUANTITY_MAX - order.quantity:
        emit_order_canceled(market, side, slot, CancelReason.BOOK_FULL)
        free_slot(market, slot)
        return
    rest(market, side, slot)
    account = market.accounts[order.account]
    add_open(account, side, order.quantity)
    account.n_open += 1
    if (order.options & Option.REDUCE_ONLY) != 0:
        account.n_reduce_only += 1
    if (order.options & Option.TIME_IN_FORCE) == TimeInForce.GTD:
        if market.expire_next_ns == 0 or market.expires_ns[slot] < market.expire_next_ns:
            market.expire_next_ns = market.expires_ns[slot]
    emit_rested(market, side, slot)


@kernel
def take_out(market, slot):
    """Take a resting order out of the book and out of its account's counts; the slot is kept."""
    order = market.orders[slot]
    account = market.accounts[order.account]
    add_open(account, side_of(market, slot), -order.quantity)
    unlink(market, slot)
    account.n_open -= 1
    if (order.options & Option.REDUCE_ONLY) != 0:
        account.n_reduce_only -= 1


@kernel
def forget_order(market, slot):
    """Take a resting order out for good."""
    take_out(market, slot)
    free_slot(market, slot)


@kernel
def cancel_slot(market, slot, reason):
    emit_order_canceled(market, side_of(market, slot), slot, reason)
    forget_order(market, slot)


@kernel
def cancel_order(market, account, order_id):
    """Cancel one resting order of the account, also in a halt. Returns its id or -RejectReason."""
    slot = find_order(market, order_id)
    if slot == 0 or market.orders[slot].account != account:
        return emit_rejected(market, account, 0, order_id, 0, 0, RejectReason.UNKNOWN_ORDER)
    cancel_slot(market, slot, CancelReason.USER)
    return order_id


@kernel
def cancel_account_orders(market, account):
    """Cancel all orders of an account: bids from the best down, then asks from the best up."""
    for side in (Side.BUY, Side.SELL):
        row = best_opposite(market, 1 - side)
        while row != 0 and market.accounts[account].n_open > 0:
            worse = next_worse(market, side, row)
            slot = market.levels[row].head
            while slot != 0:
                behind = market.orders[slot].next
                if market.orders[slot].account == account:
                    cancel_slot(market, slot, CancelReason.CANCEL_ALL)
                slot = behind
            row = worse


@kernel
def expire_orders(market):
    """Cancel the gtd orders whose time has come, in the order of `cancel_account_orders`."""
    market.expire_next_ns = 0
    for side in (Side.BUY, Side.SELL):
        row = best_opposite(market, 1 - side)
        while row != 0:
            worse = next_worse(market, side, row)
            slot = market.levels[row].head
            while slot != 0:
                order = market.orders[slot]
                behind = order.next
                if (order.options & Option.TIME_IN_FORCE) == TimeInForce.GTD:
                    expire_ns = market.expires_ns[slot]
                    if expire_ns <= market.now_ns:
                        cancel_slot(market, slot, CancelReason.EXPIRED)
                    elif market.expire_next_ns == 0 or expire_ns < market.expire_next_ns:
                        market.expire_next_ns = expire_ns
                slot = behind
            row = worse


@kernel
def replace_order(market, account, order_id, price, quantity, only_reducing):
    """Give a resting order a new price and open quantity. Returns its id or -RejectReason.

    A smaller quantity at the same price keeps its place in the queue, even in a halt. Any other
    change is checked like a new order, goes to the end of its queue and may trade on its way.
    """
    slot = find_order(market, order_id)
    if slot == 0 or market.orders[slot].account != account:
        reason = RejectReason.UNKNOWN_ORDER
        return emit_rejected(market, account, 0, order_id, price, quantity, reason)
    order = market.orders[slot]
    if price == price_of(market, slot) and 0 < quantity <= order.quantity:
        reduce_slot(market, slot, quantity)
        return order_id
    side = side_of(market, slot)
    options = order.options
    reason = check_entry(
        market,
        account,
        side,
        price,
        quantity,
        options,
        market.expires_ns[slot],
        order.quantity,
        only_reducing,
    )
    if reason != RejectReason.NONE:
        return emit_rejected(market, account, side, order_id, price, quantity, reason)
    emit_replaced(market, side, slot, price, quantity, 0)
    take_out(market, slot)
    order.row = price - market.price_base
    order.quantity = match(market, order_id, account, side, price, quantity, options)
    if order.quantity > 0:
        rest_order(market, side, slot)
    else:
        free_slot(market, slot)
    return order_id


@kernel
def reduce_slot(market, slot, quantity):
    """Cut a resting order down to `quantity` lots where it stands."""
    order = market.orders[slot]
    side = side_of(market, slot)
    emit_replaced(market, side, slot, price_of(market, slot), quantity, 1)
    less = order.quantity - quantity
    market.levels[order.row].quantity -= less
    add_open(market.accounts[order.account], side, -less)
    order.quantity = quantity


@kernel
def quote(
    markets,
    market,
    account,
    bid_price,
    bid_quantity,
    ask_price,
    ask_quantity,
    options,
    expire_ns,
):
    """Replace both sides of the account's quote at once; a quantity of 0 leaves a side empty.

    A side whose price is unchanged keeps its place in the queue: it is cut to the wanted quantity,
    never topped up. Otherwise the old orders of both sides are pulled before new ones enter, so a
    quote cannot meet its own past. markets: of the whole venue, for its loss limits: trades of the
    bid may bring the ask under one. Returns 0, or -RejectReason when the whole quote is refused.
    """
    refused = pull_quote(
        market, account, bid_price, bid_quantity, ask_price, ask_quantity, options, expire_ns
    )
    if refused != 0:
        return refused
    only_reducing = loss_reached(markets, account)
    enter_quote_side(
        market, account, BUY, bid_price, bid_quantity, options, expire_ns, only_reducing
    )
    only_reducing = loss_reached(markets, account)  # as the bid may have traded
    enter_quote_side(
        market, account, SELL, ask_price, ask_quantity, options, expire_ns, only_reducing
    )
    return 0


@kernel
def quote_unlimited(
    market, account, bid_price, bid_quantity, ask_price, ask_quantity, options, expire_ns
):
    """`quote` for an account without a loss limit, where the rest of its venue need not be known.

    For loops over markets: numba counts references to an array of markets that is passed on in one,
    which takes longer than a quote.
    """
    refused = pull_quote(
        market, account, bid_price, bid_quantity, ask_price, ask_quantity, options, expire_ns
    )
    if refused != 0:
        return refused
    enter_quote_side(market, account, BUY, bid_price, bid_quantity, options, expire_ns, False)
    enter_quote_side(market, account, SELL, ask_price, ask_quantity, options, expire_ns, False)
    return 0


@kernel
def pull_quote(
    market, account, bid_price, bid_quantity, ask_price, ask_quantity, options, expire_ns
):
    """The first half of `quote`: what may not stay of the old one goes. Returns 0 or -RejectReason."""
    reason = check_quote(
        market, bid_price, bid_quantity, ask_price, ask_quantity, options, expire_ns
    )
    if reason != RejectReason.NONE:
        return emit_rejected(market, account, Side.BUY, 0, bid_price, bid_quantity, reason)
    record = market.accounts[account]
    if not keep_or_pull(market, record.bid_quote_id, bid_price, bid_quantity):
        record.bid_quote_id = 0
    if not keep_or_pull(market, record.ask_quote_id, ask_price, ask_quantity):
        record.ask_quote_id = 0
    return 0


@kernel
def enter_quote_side(market, account, side, price, quantity, options, expire_ns, only_reducing):
    """The second half of `quote`, for a side of which nothing was kept."""
    record = market.accounts[account]
    resting_id = record.bid_quote_id if side == Side.BUY else record.ask_quote_id
    if resting_id != 0 or quantity <= 0:
        return
    order_id = enter_order(
        market, account, side, price, quantity, options, expire_ns, only_reducing
    )
    if side == Side.BUY:
        record.bid_quote_id = max(order_id, 0)
    else:
        record.ask_quote_id = max(order_id, 0)


@kernel
def check_quote(market, bid_price, bid_quantity, ask_price, ask_quantity, options, expire_ns):
    """What is refused before any side of a quote is touched."""
    takes_only = (options & Option.TIME_IN_FORCE) % 3 != 0  # neither gtc 0 nor gtd 3
    if takes_only or (options & Option.MARKET) != 0 or (options & Option.REDUCE_ONLY) != 0:
        return RejectReason.INVALID_OPTIONS
    reason = check_options(options, market.now_ns, expire_ns)
    if reason != RejectReason.NONE:
        return reason
    if bid_quantity < 0 or ask_quantity < 0:
        return RejectReason.QUANTITY_OUT_OF_RANGE
    if bid_quantity > 0 and ask_quantity > 0 and bid_price >= ask_price:
        return RejectReason.INVALID_QUOTE
    return RejectReason.NONE


@kernel
def keep_or_pull(market, order_id, price, quantity):
    """Keep one side of a quote in its place if it can be, else cancel it; returns whether kept."""
    slot = find_order(market, order_id)
    if slot == 0:
        return False
    order = market.orders[slot]
    if price_of(market, slot) == price and quantity > 0:
        if quantity < order.quantity:
            reduce_slot(market, slot, quantity)
        return True
    cancel_slot(market, slot, CancelReason.QUOTE)
    return False
