"""What a trader remembers of what it has seen: one HISTORY, folded forward at each observation.

Own quotes are taken out of the book first: a trader must not mistake itself for the market, and can
not move the mid that it measures. All times are market time, so a pause in the decisions only means
that more of it has passed. `observe.py` writes the features from here.
"""

from math import exp

import numpy as np

from exchange.engine.kernel import kernel
from exchange.engine.records import DEPTH, N_DEPTH

GRID_NS = 250_000_000  # returns look back on a grid of a quarter of a second
N_GRID = 32  # its points kept; a power of two
N_NEAR = 3  # levels among which an own order mostly is
AHEAD_UNKNOWN = 1_000  # lots before an own order beyond the visible levels
ELAPSED_NS_MIN = 1_000_000  # two looks at one moment must not divide by 0

FAST_S, MEDIUM_S, SLOW_S = 0.5, 3.5, 15.0  # time constants of the order and trade flows
TREND_FAST_S, TREND_SLOW_S = 1.5, 10.0  # of the mid's averages
VARIANCE_S = 10.0  # of realized volatility and average volume

OWN_QUOTE = np.dtype(
    (
        np.record,
        [
            ("bid_price", np.int32),  # ticks; 0 when no bid rests
            ("bid_quantity", np.int32),  # lots
            ("ask_price", np.int32),
            ("ask_quantity", np.int32),
        ],
    )
)

# What the features remember of earlier observations; a blank record has seen nothing.
HISTORY = np.dtype(
    (
        np.record,
        [
            ("n_seen", np.int64),
            ("reference_twice", np.int64),  # the first mid, twice
            ("mid_twice", np.int64),  # best bid + best ask of the others; the last one known
            ("change_twice", np.int64),  # of it, since the observation before
            ("bid_price", np.int64),  # best of the others, ticks; 0 when that side is empty
            ("ask_price", np.int64),
            ("bid_quantity", np.int32),
            ("ask_quantity", np.int32),
            ("position", np.int64),
            ("cash", np.int64),
            ("own_bought", np.int64),
            ("own_sold", np.int64),
            ("bid_ahead", np.int32),  # lots before the own bid, at most
            ("ask_ahead", np.int32),
            ("entry", np.float64),  # average entry price of the position, ticks; 0 when flat
            ("flow_fast", np.float64),
            ("flow_medium", np.float64),
            ("flow_slow", np.float64),
            ("trades_fast", np.float64),
            ("trades_slow", np.float64),
            ("mid_fast", np.float64),  # ticks from the reference
            ("mid_slow", np.float64),
            ("variance", np.float64),  # ticks squared a second
            ("volume", np.float64),  # lots a second
            ("own", OWN_QUOTE),
            ("depth", DEPTH),  # as last seen
            ("mids_twice", np.uint32, (N_GRID,)),
        ],
    )
)

GRID_S = GRID_NS / 1e9
KEPT_FAST, KEPT_MEDIUM, KEPT_SLOW = (
    exp(-GRID_S / FAST_S),
    exp(-GRID_S / MEDIUM_S),
    exp(-GRID_S / SLOW_S),
)
KEPT_TREND_FAST, KEPT_TREND_SLOW = exp(-GRID_S / TREND_FAST_S), exp(-GRID_S / TREND_SLOW_S)
KEPT_VARIANCE = exp(-GRID_S / VARIANCE_S)


@kernel
def remember(depth, account, own, history):
    """Fold one observation into `history`: DEPTH with own quotes in it, ACCOUNT, OWN_QUOTE.

    What is compared with the observation before (`depth`, `own`, `n_seen`) is left for `turn_page`.
    """
    first = history.n_seen == 0
    mid_before = history.mid_twice
    flow = read_others(depth, own, history, first)
    at_own_prices = update_ahead(depth, account, own, history, first)
    update_entry(account, history, 0.5 * mid_before, first)
    update_averages(depth, history, flow, mid_before, first)
    update_grid(history, depth.time_ns, mid_before, first)
    history.change_twice = 0 if first else history.mid_twice - mid_before
    return at_own_prices


@kernel
def turn_page(depth, own, history):
    """Keep what the next observation is compared with."""
    history.own = own
    history.depth = depth
    history.n_seen += 1


@kernel
def read_others(depth, own, history, first):
    """Best prices without the own quote, and the mid; returns the order flow imbalance, lots.

    Cont, Kukanov and Stoikov (2014), equation 3: what came to the best bid less what came to the
    best ask since the observation before. A side that is or was empty counts nothing.
    """
    bid = first_other(depth.bid_price, depth.bid_quantity, own.bid_price, own.bid_quantity)
    ask = first_other(depth.ask_price, depth.ask_quantity, own.ask_price, own.ask_quantity)
    flow = 0
    if not first:
        flow = side_flow(history.bid_price, history.bid_quantity, bid[0], bid[1], 1)
        flow -= side_flow(history.ask_price, history.ask_quantity, ask[0], ask[1], -1)
    history.bid_price, history.bid_quantity = bid[0], bid[1]
    history.ask_price, history.ask_quantity = ask[0], ask[1]
    if bid[0] != 0 and ask[0] != 0:
        history.mid_twice = bid[0] + ask[0]
    elif first:
        history.mid_twice = 2 * depth.last_price
    if first:
        history.reference_twice = history.mid_twice
    return flow


@kernel
def first_other(prices, quantities, own_price, own_quantity):
    """(price, lots) of the best level where somebody else's order rests; (0, 0) without one.

    That is the second level where the own order stands alone on the first, else the first: an own
    quote has one price, and a level with a price has lots.
    """
    first, second, second_lots = prices[0], prices[1], quantities[1]
    others = quantities[0] - (own_quantity if first == own_price else 0)
    is_alone = others <= 0
    return second if is_alone else first, second_lots if is_alone else others


@kernel
def side_flow(price_before, lots_before, price, lots, better):
    """Lots that came to the best price of one side; better: 1 when a higher price is better."""
    if price_before == 0 or price == 0:
        return 0
    change = better * (price - price_before)
    return lots * (change >= 0) - lots_before * (change <= 0)


@kernel
def update_entry(account, history, mid, first):
    """Carry the average entry price over the fills since the observation before.

    The cash tells how far from `mid`, the mid then, a lot was traded on average; where both sides
    traded, both are taken to have traded that far away, and what closes the position comes first.
    """
    bought = account.bought - history.own_bought
    sold = account.sold - history.own_sold
    cash = account.cash - history.cash
    position = history.position
    if first:
        history.entry = 0.5 * history.mid_twice if account.position != 0 else 0.0
    elif bought >= 0 and sold >= 0 and bought + sold > 0:
        away = (cash - mid * (sold - bought)) / (bought + sold)
        entry = history.entry
        if position > 0:
            entry = entry_after(entry, position, -sold, mid + away)
            entry = entry_after(entry, position - sold, bought, mid - away)
        else:
            entry = entry_after(entry, position, bought, mid - away)
            entry = entry_after(entry, position + bought, -sold, mid + away)
        history.entry = entry
    history.position = account.position
    history.cash = account.cash
    history.own_bought = account.bought
    history.own_sold = account.sold


@kernel
def entry_after(entry, position, lots, price):
    """Average entry price after `lots` (signed) more at `price`; 0 when the position is closed."""
    after = position + lots
    if after == 0:
        return 0.0
    if position == 0 or (position > 0) != (after > 0):
        return price
    if (position > 0) == (lots > 0):
        return (entry * position + price * lots) / after
    return entry


@kernel
def update_ahead(depth, account, own, history, first):
    """Bound the lots before each own order: what stood there when it came, and what is there now.

    The same order as before has the same price and no more lots: cancelations and trades before it
    only bring it forward, and once a part of it is filled it is the first.
    """
    before = history.own
    at_bid = lots_at(depth.bid_price, depth.bid_quantity, own.bid_price)
    at_ask = lots_at(depth.ask_price, depth.ask_quantity, own.ask_price)
    history.bid_ahead = ahead(
        own.bid_price,
        own.bid_quantity,
        before.bid_price,
        before.bid_quantity,
        history.bid_ahead,
        lots_at(history.depth.bid_price, history.depth.bid_quantity, own.bid_price),
        at_bid,
        account.bought > history.own_bought,
        first,
    )
    history.ask_ahead = ahead(
        own.ask_price,
        own.ask_quantity,
        before.ask_price,
        before.ask_quantity,
        history.ask_ahead,
        lots_at(history.depth.ask_price, history.depth.ask_quantity, own.ask_price),
        at_ask,
        account.sold > history.own_sold,
        first,
    )
    return at_bid, at_ask


@kernel
def ahead(
    price, lots, price_before, lots_before, ahead_before, level_before, level, was_filled, first
):
    """The bound for one side; level: all lots at the own price now, level_before: at the last time."""
    most = max(level - lots, 0)
    is_there = price == price_before
    others_before = max(level_before - (lots_before if is_there else 0), 0)
    carried = 0 if was_filled else ahead_before
    bound = min(carried if is_there and lots <= lots_before else others_before, most)
    bound = most if first else bound
    return bound if price != 0 else 0


@kernel
def lots_at(prices, quantities, price):
    """Lots at a price, 0 for no price; AHEAD_UNKNOWN when it lies beyond the visible levels.

    Of the near levels all are looked at: a loop that ends at a random place costs more than its rest.
    """
    wanted, away = np.int32(price), abs(price - prices[0])
    if away <= abs(prices[N_NEAR - 1] - prices[0]) or price == 0:
        lots = 0
        for i in range(N_NEAR):
            lots += quantities[i] * (prices[i] == wanted)
        return lots
    return lots_afar(prices, quantities, wanted, away)


@kernel(inline=False)
def lots_afar(prices, quantities, wanted, away):
    """`lots_at` for a price behind the near levels, which is `away` ticks from the best one."""
    lots = 0
    for i in range(N_DEPTH):
        lots += quantities[i] * (prices[i] == wanted)
    last = prices[N_DEPTH - 1]
    is_beyond = (last != 0) & (away > abs(last - prices[0]))
    return AHEAD_UNKNOWN if is_beyond else lots


@kernel
def update_averages(depth, history, flow, mid_before, first):
    """Running sums and averages that decay with market time."""
    mid = 0.5 * (history.mid_twice - history.reference_twice)
    if first:
        history.mid_fast = history.mid_slow = mid
        return
    elapsed_ns = depth.time_ns - history.depth.time_ns
    elapsed_s = max(elapsed_ns, ELAPSED_NS_MIN) / 1e9
    bought = depth.bought - history.depth.bought
    sold = depth.sold - history.depth.sold
    history.flow_fast = flow + kept(elapsed_ns, FAST_S, KEPT_FAST) * history.flow_fast
    history.flow_medium = flow + kept(elapsed_ns, MEDIUM_S, KEPT_MEDIUM) * history.flow_medium
    slow = kept(elapsed_ns, SLOW_S, KEPT_SLOW)
    history.flow_slow = flow + slow * history.flow_slow
    fast = kept(elapsed_ns, FAST_S, KEPT_FAST)
    history.trades_fast = (bought - sold) + fast * history.trades_fast
    history.trades_slow = (bought - sold) + slow * history.trades_slow
    trend = kept(elapsed_ns, TREND_FAST_S, KEPT_TREND_FAST)
    history.mid_fast = mid + trend * (history.mid_fast - mid)
    trend = kept(elapsed_ns, TREND_SLOW_S, KEPT_TREND_SLOW)
    history.mid_slow = mid + trend * (history.mid_slow - mid)
    change = 0.5 * (history.mid_twice - mid_before)
    calm = kept(elapsed_ns, VARIANCE_S, KEPT_VARIANCE)
    variance = change * change / elapsed_s
    history.variance = variance + calm * (history.variance - variance)
    volume = max(bought + sold, 0) / elapsed_s
    history.volume = volume + calm * (history.volume - volume)


@kernel
def kept(elapsed_ns, seconds, of_grid):
    """What is left of a decaying average after some market time; `of_grid` after GRID_NS."""
    return of_grid if elapsed_ns == GRID_NS else exp(-max(elapsed_ns, 0) / 1e9 / seconds)


@kernel
def update_grid(history, time_ns, mid_before, first):
    """Write the mid at each grid point since the observation before; between two, the older one."""
    mids = history.mids_twice
    point = time_ns // GRID_NS
    if first:
        for i in range(N_GRID):
            mids[i] = history.mid_twice
        return
    start = max(history.depth.time_ns // GRID_NS, point - N_GRID) + 1
    for k in range(start, point + 1):
        mids[k & (N_GRID - 1)] = mid_before
    if point * GRID_NS == time_ns:
        mids[point & (N_GRID - 1)] = history.mid_twice
