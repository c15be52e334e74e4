"""The kernels behind `features.py`: fold what is seen now into a HISTORY, write every feature.

Own quotes are taken out of the book first: a trader must not mistake itself for the market, and can
not move the mid that it measures. All times are market time, so a pause in the decisions only means
that more of it has passed.
"""

from math import exp, log1p, sqrt

import numpy as np

from exchange.engine.kernel import kernel
from exchange.engine.records import DEPTH, N_DEPTH

FEATURE_MAX = 5.0  # every feature lies within -+ this, whatever the market does
GRID_NS = 250_000_000  # returns look back on a grid of a quarter of a second
N_GRID = 32  # its points kept; a power of two
ONE_SECOND, FIVE_SECONDS = 4, 20  # points back
N_LEVELS_SUMMED = 5  # levels a side in the depth features
POSITION_SCALE = 50.0  # lots that reach the bound of `inventory`
TIME_LEFT_MAX_S = 250.0  # an open-ended session has at most this left
SPREAD_UNKNOWN = 100  # ticks, while a side is empty
AHEAD_UNKNOWN = 1_000  # lots before an own order beyond the visible levels

FAST_S, MEDIUM_S, SLOW_S = 0.5, 3.5, 15.0  # time constants of the order and trade flows
TREND_FAST_S, TREND_SLOW_S = 1.5, 10.0  # of the mid's averages
VARIANCE_S = VOLUME_S = 10.0  # of realized volatility and average volume

# Each feature is scale x value + shift, cut to -+ FEATURE_MAX: standard deviation about 1 in the
# default market. docs/ENVIRONMENTS.md has the table with sources.
FEATURES: tuple[tuple[str, float, float], ...] = (
    ("mid_change", 0.15, 0.0),
    ("spread", 1.0, -2.0),
    ("relative_spread", 1.0, -2.0),
    ("bid_depth", 2.5, -10.0),
    ("ask_depth", 2.5, -10.0),
    ("depth_imbalance", 5.0, 0.0),
    ("order_flow_imbalance", 0.05, 0.0),
    ("return_1s", 2.5, 0.0),
    ("return_5s", 1.0, 0.0),
    ("realized_volatility", 4.0, -1.6),
    ("average_volume", 2.0, -3.0),
    ("mid_skew", 2.0, 0.0),
    ("inventory", 5.0, 0.0),
    ("half_tick", 1.0, 0.0),
    ("touch_imbalance", 2.0, 0.0),
    ("flow_fast", 0.12, 0.0),
    ("flow_slow", 0.025, 0.0),
    ("trades_fast", 0.8, 0.0),
    ("trades_slow", 0.4, 0.0),
    ("trend_fast", 2.5, 0.0),
    ("trend_slow", 0.7, 0.0),
    ("last_change", 2.0, 0.0),
    ("bid_gap", 1.0, -1.0),
    ("ask_gap", 1.0, -1.0),
    ("bid_queue", 1.0, -2.0),
    ("ask_queue", 1.0, -2.0),
    ("position", 0.2, 0.0),
    ("entry_distance", 0.5, 0.0),
    ("time_left", 2.0, -1.0),
    ("own_bid_away", 0.5, 0.0),
    ("own_ask_away", 0.5, 0.0),
    ("own_bid_lots", 0.3, 0.0),
    ("own_ask_lots", 0.3, 0.0),
    ("own_bid_ahead", 1.0, 0.0),
    ("own_ask_ahead", 1.0, 0.0),
    ("score", 2.0, 0.0),
)
N_FEATURES = len(FEATURES)
SCALES = np.array([scale for _, scale, _ in FEATURES])
SHIFTS = np.array([shift for _, _, shift in FEATURES])

(
    MID_CHANGE,
    SPREAD,
    RELATIVE_SPREAD,
    BID_DEPTH,
    ASK_DEPTH,
    DEPTH_IMBALANCE,
    ORDER_FLOW_IMBALANCE,
    RETURN_1S,
    RETURN_5S,
    REALIZED_VOLATILITY,
    AVERAGE_VOLUME,
    MID_SKEW,
    INVENTORY,
    HALF_TICK,
    TOUCH_IMBALANCE,
    FLOW_FAST,
    FLOW_SLOW,
    TRADES_FAST,
    TRADES_SLOW,
    TREND_FAST,
    TREND_SLOW,
    LAST_CHANGE,
    BID_GAP,
    ASK_GAP,
    BID_QUEUE,
    ASK_QUEUE,
    POSITION,
    ENTRY_DISTANCE,
    TIME_LEFT,
    OWN_BID_AWAY,
    OWN_ASK_AWAY,
    OWN_BID_LOTS,
    OWN_ASK_LOTS,
    OWN_BID_AHEAD,
    OWN_ASK_AHEAD,
    SCORE,
) = range(N_FEATURES)

OWN_QUOTE = np.dtype(
    (
        np.record,
        [
            ("bid_price", np.int64),  # ticks; 0 when no bid rests
            ("bid_quantity", np.int64),  # lots
            ("ask_price", np.int64),
            ("ask_quantity", np.int64),
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
            ("bid_price", np.int64),  # best of the others, ticks; 0 when that side is empty
            ("bid_quantity", np.int64),
            ("ask_price", np.int64),
            ("ask_quantity", np.int64),
            ("position", np.int64),
            ("cash", np.int64),
            ("own_bought", np.int64),
            ("own_sold", np.int64),
            ("bid_ahead", np.int64),  # lots before the own bid, at most
            ("ask_ahead", np.int64),
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
            ("mids_twice", np.int64, (N_GRID,)),
            ("features", np.float32, (N_FEATURES,)),
        ],
    )
)

GRID_S = GRID_NS / 1e9
KEPT_FAST, KEPT_MEDIUM, KEPT_SLOW = exp(-GRID_S / FAST_S), exp(-GRID_S / MEDIUM_S), exp(-GRID_S / SLOW_S)
KEPT_TREND_FAST, KEPT_TREND_SLOW = exp(-GRID_S / TREND_FAST_S), exp(-GRID_S / TREND_SLOW_S)
KEPT_VARIANCE = exp(-GRID_S / VARIANCE_S)


@kernel
def observe(depth, account, own, time_left_s, history, predictor):
    """Fold one observation into `history` and write all its features.

    depth: DEPTH, own quotes included. account: ACCOUNT. own: OWN_QUOTE, what rests of the trader's
    quote now. time_left_s: until the run ends, may be inf. predictor: float64 (n_hidden, n_inputs +
    2), see `write_score`; no rows when there is none.
    """
    first = history.n_seen == 0
    mid_before = history.mid_twice
    flow = read_others(depth, own, history, first)
    update_entry(account, history, 0.5 * mid_before, first)
    update_ahead(depth, own, history, first)
    update_averages(depth, history, flow, mid_before, first)
    update_grid(history, depth.time_ns, mid_before, first)
    write_market_features(depth, own, history, mid_before)
    write_private_features(own, history, time_left_s)
    write_score(history, predictor)
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
    """(price, lots) of the best level where somebody else's order rests; (0, 0) without one."""
    for i in range(N_DEPTH):
        lots = quantities[i]
        if prices[i] == own_price:
            lots -= own_quantity
        if lots > 0:
            return prices[i], lots
    return 0, 0


@kernel
def side_flow(price_before, lots_before, price, lots, better):
    """Lots that came to the best price of one side; better: 1 when a higher price is better."""
    if price_before == 0 or price == 0:
        return 0
    change = better * (price - price_before)
    if change > 0:
        return lots
    return -lots_before if change < 0 else lots - lots_before


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
def update_ahead(depth, own, history, first):
    """Bound the lots before each own order: what stood there when it came, and what is there now.

    The same order as before has the same price and no more lots: cancelations and trades before it
    only bring it forward.
    """
    before = history.own
    history.bid_ahead = ahead(
        own.bid_price,
        own.bid_quantity,
        before.bid_price,
        before.bid_quantity,
        history.bid_ahead,
        lots_at(history.depth.bid_price, history.depth.bid_quantity, own.bid_price),
        lots_at(depth.bid_price, depth.bid_quantity, own.bid_price),
        first,
    )
    history.ask_ahead = ahead(
        own.ask_price,
        own.ask_quantity,
        before.ask_price,
        before.ask_quantity,
        history.ask_ahead,
        lots_at(history.depth.ask_price, history.depth.ask_quantity, own.ask_price),
        lots_at(depth.ask_price, depth.ask_quantity, own.ask_price),
        first,
    )


@kernel
def ahead(price, lots, price_before, lots_before, ahead_before, level_before, level, first):
    """The bound for one side; level: all lots at the own price now, level_before: at the last time."""
    if price == 0:
        return 0
    most = max(level - lots, 0)
    if first:
        return most
    if price == price_before:
        if lots <= lots_before:
            return min(ahead_before, most)
        level_before -= lots_before
    return min(max(level_before, 0), most)


@kernel
def lots_at(prices, quantities, price):
    """Lots at a price; AHEAD_UNKNOWN when it lies beyond the visible levels."""
    if price == 0:
        return 0
    for i in range(N_DEPTH):
        if prices[i] == price:
            return quantities[i]
    beyond = prices[N_DEPTH - 1]
    if beyond != 0 and abs(price - prices[0]) > abs(beyond - prices[0]):
        return AHEAD_UNKNOWN
    return 0


@kernel
def update_averages(depth, history, flow, mid_before, first):
    """Running sums and averages that decay with market time."""
    mid = 0.5 * (history.mid_twice - history.reference_twice)
    if first:
        history.mid_fast = history.mid_slow = mid
        return
    elapsed_ns = depth.time_ns - history.depth.time_ns
    elapsed_s = max(elapsed_ns, 1_000_000) / 1e9  # two looks at one moment must not divide by 0
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


@kernel
def put(values, i, value):
    """Write one feature: scaled, shifted, cut."""
    values[i] = min(max(SCALES[i] * value + SHIFTS[i], -FEATURE_MAX), FEATURE_MAX)


@kernel
def write_market_features(depth, own, history, mid_before):
    """What the feed shows, without the own quote."""
    values = history.features
    bid_lots, ask_lots = history.bid_quantity, history.ask_quantity
    mid_twice = history.mid_twice
    spread = history.ask_price - history.bid_price
    if history.bid_price == 0 or history.ask_price == 0:
        spread = SPREAD_UNKNOWN
    put(values, MID_CHANGE, 0.5 * (mid_twice - history.reference_twice))
    put(values, SPREAD, spread)
    put(values, RELATIVE_SPREAD, 2e4 * spread / max(mid_twice, 1))
    imbalance = (bid_lots - ask_lots) / max(bid_lots + ask_lots, 1)
    put(values, TOUCH_IMBALANCE, imbalance)
    put(values, MID_SKEW, 0.5 * spread * imbalance)
    put(values, HALF_TICK, mid_twice & 1)
    put(values, BID_QUEUE, log1p(bid_lots))
    put(values, ASK_QUEUE, log1p(ask_lots))
    write_depth_features(depth, own, values)
    point = depth.time_ns // GRID_NS
    mids = history.mids_twice
    put(values, RETURN_1S, 0.5 * (mid_twice - mids[(point - ONE_SECOND) & (N_GRID - 1)]))
    put(values, RETURN_5S, 0.5 * (mid_twice - mids[(point - FIVE_SECONDS) & (N_GRID - 1)]))
    put(values, LAST_CHANGE, 0.5 * (mid_twice - mid_before) if history.n_seen > 0 else 0.0)
    write_running_features(history, values)


@kernel
def write_depth_features(depth, own, values):
    """Lots on the best levels of each side, and the step from the best to the next level."""
    bids, bid_gap = sum_side(depth.bid_price, depth.bid_quantity, own.bid_price, own.bid_quantity)
    asks, ask_gap = sum_side(depth.ask_price, depth.ask_quantity, own.ask_price, own.ask_quantity)
    put(values, BID_DEPTH, log1p(bids))
    put(values, ASK_DEPTH, log1p(asks))
    put(values, DEPTH_IMBALANCE, (bids - asks) / max(bids + asks, 1))
    put(values, BID_GAP, bid_gap)
    put(values, ASK_GAP, ask_gap)


@kernel
def sum_side(prices, quantities, own_price, own_quantity):
    """Others' lots on their best levels, and ticks from their best to their second level."""
    total = 0
    n_levels = 0
    best = 0
    gap = SPREAD_UNKNOWN
    for i in range(N_DEPTH):
        lots = quantities[i]
        if prices[i] == own_price:
            lots -= own_quantity
        if lots > 0:
            total += lots
            n_levels += 1
            if n_levels == 1:
                best = prices[i]
            elif n_levels == 2:
                gap = abs(prices[i] - best)
            elif n_levels == N_LEVELS_SUMMED:
                break
    return total, gap


@kernel
def write_running_features(history, values):
    """What the running sums and averages say."""
    mid = 0.5 * (history.mid_twice - history.reference_twice)
    put(values, ORDER_FLOW_IMBALANCE, history.flow_medium)
    put(values, FLOW_FAST, history.flow_fast)
    put(values, FLOW_SLOW, history.flow_slow)
    put(values, TRADES_FAST, signed_log(history.trades_fast))
    put(values, TRADES_SLOW, signed_log(history.trades_slow))
    put(values, TREND_FAST, mid - history.mid_fast)
    put(values, TREND_SLOW, mid - history.mid_slow)
    put(values, REALIZED_VOLATILITY, sqrt(max(history.variance, 0.0)))
    put(values, AVERAGE_VOLUME, log1p(max(history.volume, 0.0)))


@kernel
def signed_log(value):
    """sign x ln(1 + |value|): large bursts stay comparable."""
    return log1p(value) if value >= 0 else -log1p(-value)


@kernel
def write_private_features(own, history, time_left_s):
    """The trader's own state: position, its cost, time, and its quote with its place in the queue."""
    values = history.features
    position = history.position
    mid = 0.5 * history.mid_twice
    root = sqrt(abs(position) / POSITION_SCALE)
    put(values, INVENTORY, root if position >= 0 else -root)
    put(values, POSITION, position)
    distance = mid - history.entry if position > 0 else history.entry - mid
    put(values, ENTRY_DISTANCE, distance if position != 0 else 0.0)
    put(values, TIME_LEFT, min(time_left_s, TIME_LEFT_MAX_S) / TIME_LEFT_MAX_S)
    put(values, OWN_BID_AWAY, mid - own.bid_price if own.bid_price != 0 else 0.0)
    put(values, OWN_ASK_AWAY, own.ask_price - mid if own.ask_price != 0 else 0.0)
    put(values, OWN_BID_LOTS, own.bid_quantity)
    put(values, OWN_ASK_LOTS, own.ask_quantity)
    put(values, OWN_BID_AHEAD, log1p(history.bid_ahead))
    put(values, OWN_ASK_AHEAD, log1p(history.ask_ahead))


@kernel
def write_score(history, predictor):
    """The predictor's expected change of the mid, ticks: sum of v_j max(w_j x + b_j, 0).

    Each row of `predictor` holds w_j for the features before POSITION without INVENTORY, b_j, v_j.
    Without rows the score is 0.
    """
    values = history.features
    score = 0.0
    n_inputs = POSITION - 1
    for j in range(len(predictor)):
        total = predictor[j, n_inputs]
        for i in range(n_inputs):
            total += predictor[j, i] * values[i if i < INVENTORY else i + 1]
        score += predictor[j, n_inputs + 1] * max(total, 0.0)
    put(values, SCORE, score)


@kernel
def choose(history, columns, out):
    """Copy the features of a preset, by their places in FEATURES, into `out` float32 (n_columns,)."""
    for i in range(len(columns)):
        out[i] = history.features[columns[i]]
