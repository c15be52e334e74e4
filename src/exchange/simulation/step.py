"""The clock of a market with participants in it: they act at their own times while it advances.

`advance` and `apply` are what a venue, a journal and a backtest call; `advance_batch` moves many
independent markets, `advance_market` one of them inside a caller's own kernel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from exchange.engine.codes import CommandKind, Phase, RejectReason
from exchange.engine.commands import advance_clock, begin, obey
from exchange.engine.depth import write_depth
from exchange.engine.events import emit_rejected
from exchange.engine.kernel import batch_kernel, kernel
from exchange.engine.participants import SHOCKS_MAX, FlowKind
from exchange.engine.records import Markets
from exchange.simulation.flow import begin_step, decide, note_trade
from exchange.simulation.orders import BUY, GTC, LIQUIDITY, SELL, send
from exchange.simulation.poisson import decide_unit, wait_for_arrival
from exchange.simulation.rng import bits16, next_word, normal
from exchange.simulation.scenario import change_shocks, schedule

PARALLEL_BATCH_MIN = 64  # markets: below this a parallel loop loses to a serial one
OTHER_EVENTS_MAX = 8 + 2 * SHOCKS_MAX  # of an order, beside those that end resting ones; of shocks
NEVER_NS = np.iinfo(np.int64).max


@kernel
def advance(markets, instrument, until_ns):
    """Move one market of a venue to `until_ns`; its participants act on the way.

    The market's events are this call's alone. Stops early, with `now_ns` before `until_ns`, when
    the event buffer might not hold another order's: read the events and call again. However the way
    is split into calls, the market comes out the same. Returns 0, or -RejectReason.
    """
    if not begin(markets, instrument):
        return -RejectReason.UNKNOWN_INSTRUMENT
    return move_on(markets[instrument], until_ns)


@kernel
def apply(markets, command):
    """Apply one COMMAND as the engine's `apply_command`, but advancing lets participants act.

    An ADVANCE may stop early as `advance` does: give it again until the clock is there.
    """
    if command.kind == CommandKind.ADVANCE:
        return advance(markets, command.instrument, command.time_ns)
    if command.kind == CommandKind.SCHEDULE:
        return schedule(markets, command)
    if not begin(markets, command.instrument):
        return -RejectReason.UNKNOWN_INSTRUMENT
    return obey(markets, command)


@kernel(inline=False)
def advance_market(market, until_ns):
    """Move one market all the way, forgetting the events that its buffer cannot hold.

    Afterwards `events` holds the newest part only. For batches, where accounts and depth tell all. Not
    inlined: an episode's start and its steps run the same code, which is in the caches then.
    """
    while market.now_ns < until_ns:
        market.n_events = 0
        move_on(market, until_ns)


@kernel
def move_on(market, until_ns):
    """`advance` without clearing the events first."""
    if until_ns < market.now_ns:
        return emit_rejected(market, 0, 0, 0, 0, 0, RejectReason.INVALID_TIME)
    flow = market.flow
    while room_for_more(market):
        change_ns = next_change(market)
        if ends_undisturbed(market, flow, min(until_ns, change_ns - 1)):
            finish_step(market, flow)
        elif flow.kind != FlowKind.NONE and flow.next_ns <= until_ns and flow.next_ns < change_ns:
            # a participant whose time has passed, as the engine's own clock was moved, acts now
            market.now_ns = max(flow.next_ns, market.now_ns)
            participate(market, flow)
        elif change_ns > until_ns:
            return advance_clock(market, until_ns)
        else:
            advance_clock(market, max(change_ns, market.now_ns))
            if flow.shock_next_ns != 0 and flow.shock_next_ns <= market.now_ns:
                change_shocks(market, flow)
    return 0


@kernel
def room_for_more(market):
    """Whether the event buffer surely holds one more order's events and those of every shock."""
    return market.n_events + market.n_resting + OTHER_EVENTS_MAX <= len(market.events)


@kernel
def next_change(market):
    """When something happens that nobody decides: an order expires, a shock begins or ends."""
    time_ns = market.expire_next_ns if market.expire_next_ns != 0 else NEVER_NS
    if market.flow.shock_next_ns != 0:
        time_ns = min(time_ns, market.flow.shock_next_ns)
    return time_ns


@kernel
def ends_undisturbed(market, flow, until_ns):
    """Whether the crowd's step ends by then, and nobody asks when in the step its orders came."""
    return market.silent != 0 and flow.kind == FlowKind.CROWD and flow.step_end_ns <= until_ns


@kernel
def finish_step(market, flow):
    """What is left of a step, then the next one begins: as `participate` does it time by time."""
    play_orders(market, flow, flow.n_orders_left)
    market.now_ns = max(flow.step_end_ns, market.now_ns)
    begin_step(market, flow)
    draw_next(market, flow)
    wait_in_step(flow)


@kernel
def participate(market, flow):
    """What is due now: an order arrives, or the next step begins; then the next time is drawn."""
    if flow.kind == FlowKind.POISSON:
        if market.phase == Phase.OPEN:
            account, side, price, quantity, time_in_force = decide_unit(market, flow)
            send(market, account, side, price, quantity, time_in_force)
        wait_for_arrival(market, flow)
        return
    if flow.n_orders_left == 0:
        begin_step(market, flow)
        draw_next(market, flow)
    else:
        play_orders(market, flow, 1)
    wait_in_step(flow)


@kernel(inline=False)
def play_orders(market, flow, n_orders):
    """The next orders of a step, one after the other, and the draw for the one that follows.

    Not inlined, so that a step at once and one in its time are the same compiled code.
    """
    for _ in range(n_orders):
        flow.n_orders_left -= 1
        if market.phase == Phase.OPEN:
            play_order(market, flow)
        draw_next(market, flow)


@kernel
def play_order(market, flow):
    """One participant acts."""
    account, side, price, quantity, time_in_force = decide(market, flow)
    if quantity == 0:
        return
    if account == LIQUIDITY:
        # kept off the opposite price, so it never trades; half of all orders, so compiled apart: with
        # these constants few checks are left
        send(market, LIQUIDITY, side, price, quantity, GTC)
    elif send(market, account, side, price, quantity, time_in_force):
        note_trade(flow, side)


@kernel
def draw_next(market, flow):
    """Draw who sends the next order of this step, if there is one, and when."""
    if flow.n_orders_left > 0:
        flow.draw = next_word(market)


@kernel
def wait_in_step(flow):
    """When the next order of this step comes: one in each of n equal parts of it."""
    if flow.n_orders_left == 0:
        flow.next_ns = flow.step_end_ns
        return
    start_ns = flow.step_end_ns - flow.n_orders_left * flow.part_ns
    flow.next_ns = start_ns + (bits16(flow.draw, 0) * flow.part_ns >> 16)


@kernel
def open_markets(markets, n_levels, lots):
    """Fill the books of new markets, and start the volatility of each."""
    for i in range(len(markets)):
        fill_book(markets[i], n_levels, lots)
        start_volatility(markets[i])


@kernel
def fill_book(market, n_levels, lots):
    """Put one order of `lots` on each of n_levels prices a side of the opening price.

    A market without participants stays empty.
    """
    if market.flow.kind == FlowKind.NONE:
        return
    for away in range(1, n_levels + 1):
        send(market, LIQUIDITY, BUY, market.last_price - away, lots, GTC)
        send(market, LIQUIDITY, SELL, market.last_price + away, lots, GTC)


@kernel
def start_volatility(market):
    """Anywhere in its long-run distribution, where there are participants."""
    if market.flow.kind != FlowKind.NONE:
        market.flow.log_volatility = market.flow.volatility_sd * normal(market)


def advance_batch(
    markets: Markets, until_ns: int | npt.NDArray[np.int64], n_threads: int | None = None
) -> None:
    """Move a batch of independent markets, (n,), each to its `until_ns` (one for all, or (n,)).

    n_threads: 1 is serial; None takes all threads where the batch is large enough to gain by it.
    Row i comes out as that market alone would, byte for byte. As `advance_market`, it keeps only
    the newest events. A market that is already past its time is left as it is.
    """
    until = _one_each(markets, until_ns)
    if _is_serial(markets, n_threads):
        advance_rows(markets, until)
        return
    with _threads(n_threads):
        advance_rows_parallel(markets, until)


def step_batch(
    markets: Markets,
    until_ns: int | npt.NDArray[np.int64],
    depths: npt.NDArray[Any],
    n_threads: int | None = None,
) -> None:
    """`advance_batch`, then write what the feed shows of each market: depths (n,) of DEPTH."""
    until = _one_each(markets, until_ns)
    if _is_serial(markets, n_threads):
        step_rows(markets, until, depths)
        return
    with _threads(n_threads):
        step_rows_parallel(markets, until, depths)


def _one_each(markets: Markets, until_ns: int | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    until = np.empty(len(markets), np.int64)
    until[:] = until_ns
    return until


def _is_serial(markets: Markets, n_threads: int | None) -> bool:
    return n_threads == 1 or (n_threads is None and len(markets) < PARALLEL_BATCH_MIN)


@contextmanager
def _threads(n_threads: int | None) -> Iterator[None]:
    """Let a parallel loop use so many of numba's threads (None: all), then put it back."""
    before = numba.get_num_threads()
    numba.set_num_threads(before if n_threads is None else max(1, min(n_threads, before)))
    try:
        yield
    finally:
        numba.set_num_threads(before)


@kernel
def advance_rows(markets, until_ns):
    """`advance_market` row by row: markets (n,), until_ns int64 (n,)."""
    for i in range(len(markets)):
        advance_market(markets[i], until_ns[i])


@batch_kernel
def advance_rows_parallel(markets, until_ns):
    """`advance_rows` on all of numba's threads."""
    for i in numba.prange(len(markets)):
        advance_market(markets[i], until_ns[i])


@kernel
def step_rows(markets, until_ns, depths):
    """`advance_market` and `write_depth` row by row: depths (n,) of DEPTH."""
    for i in range(len(markets)):
        advance_market(markets[i], until_ns[i])
        write_depth(markets[i], depths[i])


@batch_kernel
def step_rows_parallel(markets, until_ns, depths):
    """`step_rows` on all of numba's threads."""
    for i in numba.prange(len(markets)):
        advance_market(markets[i], until_ns[i])
        write_depth(markets[i], depths[i])
