"""What happened, written into the market's event buffer in the order it happened."""

from exchange.engine.book import order_id, price_of
from exchange.engine.codes import EventKind
from exchange.engine.kernel import kernel


@kernel
def new_event(
    market,
    kind,
    account,
    side,
    order_id,
    price,
    quantity,
    maker_order_id=0,
    maker_account=0,
    price_before=0,
    quantity_before=0,
    reason=0,
    kept_priority=0,
):
    """Count an event and append it; a silent market only counts."""
    market.sequence += 1
    if market.silent != 0:
        return
    event = market.events[market.n_events]
    market.n_events += 1
    event.sequence = market.sequence
    event.time_ns = market.now_ns
    event.order_id = order_id
    event.maker_order_id = maker_order_id
    event.price = price
    event.quantity = quantity
    event.price_before = price_before
    event.quantity_before = quantity_before
    event.account = account
    event.maker_account = maker_account
    event.kind = kind
    event.side = side
    event.reason = reason
    event.kept_priority = kept_priority


@kernel
def emit_rested(market, side, slot):
    order = market.orders[slot]
    resting_id, price = order_id(market, slot), price_of(market, slot)
    new_event(market, EventKind.RESTED, order.account, side, resting_id, price, order.quantity)


@kernel
def emit_traded(market, taker_id, taker, taker_side, maker_slot, quantity):
    """maker_slot: of the resting order, its quantity already reduced by the trade."""
    maker = market.orders[maker_slot]
    new_event(
        market,
        EventKind.TRADED,
        taker,
        taker_side,
        taker_id,
        price_of(market, maker_slot),
        quantity,
        maker_order_id=order_id(market, maker_slot),
        maker_account=maker.account,
        quantity_before=maker.quantity,
    )


@kernel
def emit_canceled(market, account, side, order_id, price, quantity, reason):
    new_event(market, EventKind.CANCELED, account, side, order_id, price, quantity, reason=reason)


@kernel
def emit_order_canceled(market, side, slot, reason):
    """Of an order that is still in its slot, with all its open lots."""
    order = market.orders[slot]
    resting_id, price = order_id(market, slot), price_of(market, slot)
    emit_canceled(market, order.account, side, resting_id, price, order.quantity, reason)


@kernel
def emit_replaced(market, side, slot, price, quantity, kept_priority):
    """The order in its slot is still as it was; price and quantity: as they become."""
    order = market.orders[slot]
    new_event(
        market,
        EventKind.REPLACED,
        order.account,
        side,
        order_id(market, slot),
        price,
        quantity,
        price_before=price_of(market, slot),
        quantity_before=order.quantity,
        kept_priority=kept_priority,
    )


@kernel
def emit_rejected(market, account, side, order_id, price, quantity, reason):
    """Returns -reason: what a refused command returns to its caller."""
    new_event(market, EventKind.REJECTED, account, side, order_id, price, quantity, reason=reason)
    return -reason
