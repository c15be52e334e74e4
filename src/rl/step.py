"""One step of many market-making tasks, compiled: action -> quote -> market -> observation, reward.

The order is that of a lockstep session (docs/PROTOCOL.md): the trader decides on what it saw, its
quote is applied, the participants trade for one step, and it sees the market again. So a task comes
out as `strategies.backtest` and the live exchange would have it.
"""

import numba
import numpy as np

from exchange.engine.book import find_order, price_of
from exchange.engine.codes import N_PARTICIPANTS
from exchange.engine.depth import write_depth
from exchange.engine.kernel import batch_kernel, kernel
from exchange.engine.matching import quote_unlimited
from exchange.engine.records import DEPTH, FEE_UNITS
from exchange.engine.seeds import write_state
from exchange.simulation.step import advance_market, start_volatility
from rl.config import LATENCY_STEPS_MAX
from rl.rewards import STEP, TERMS, equity_change_clipped, weigh
from rl.seeds import episode_seed
from strategies.actions import write_quote
from strategies.history import OWN_QUOTE
from strategies.observe import N_FEATURES, choose, n_leading, observe
from strategies.quoting import QUOTE_OPTIONS

AGENT = N_PARTICIPANTS  # the first account that is not the crowd's
CHUNK = 8  # rows that a thread takes, and that one kind of work is done for, at a time

# What is the same for all markets of a batch.
TASK = np.dtype(
    (
        np.record,
        [
            ("action_kind", np.int64),
            ("step_ns", np.int64),
            ("episode_steps", np.int64),
            ("latency_steps", np.int64),
            ("position_max", np.int64),  # units, as the action's quantity
            ("unit_lots", np.int64),
            ("skew", np.float64),
            ("reward_scale", np.float64),
            ("equity_clip", np.float64),
            ("pnl_target", np.float64),
            ("weights", np.float64, (len(TERMS),)),  # of the reward's terms
        ],
    )
)

# One trader's episode: what the next step needs, and its account so far.
EPISODE = np.dtype(
    (
        np.record,
        [
            ("n_steps", np.int32),
            ("n_steps_max", np.int32),
            ("fees", np.int64),  # at the last observation
            ("ahead", np.float64),  # as STEP has it
            ("reward", np.float64),  # sum
            ("equity", np.float64),  # tick-lots, after fees, at the mark
            ("equity_max", np.float64),
            ("drawdown_max", np.float64),
            ("changes_squared", np.float64),  # of equity, a step
            ("spread_captured", np.float64),
            ("positions", np.int64),  # sum of |position|
            ("position_max", np.int64),  # largest |position|
            ("lots_ordered", np.int64),
            ("n_orders", np.int32),  # accepted
            ("n_refused", np.int32),  # quotes or their sides
            # decided, not yet in the market; last, as without latency it is not used
            ("waiting", OWN_QUOTE, (LATENCY_STEPS_MAX + 1,)),
            ("_pad", np.uint8, (8,)),  # whole lines of the caches
        ],
    )
)

# What one step of a market needs for a moment, the same memory for all rows.
SCRATCH = np.dtype(
    (
        np.record,
        [
            ("wanted", OWN_QUOTE),
            ("depth", DEPTH),
            ("own", OWN_QUOTE),
            ("step", STEP),
            ("raw", np.float64, (N_FEATURES,)),
        ],
    )
)


@kernel
def act(market, i, task, actions, history, episode, scratch):
    """What the action of row i asks for waits for its time; what has waited is placed."""
    wanted, unit_lots = scratch.wanted, task.unit_lots
    limit = min(task.position_max * unit_lots, market.accounts[AGENT].position_max)
    write_quote(task.action_kind, actions, i, history, limit, task.skew, unit_lots, wanted)
    if task.latency_steps == 0:
        place(market, history.own, episode, wanted)
    else:
        n_places, n_steps = task.latency_steps + 1, episode.n_steps
        episode.waiting[n_steps % n_places] = wanted
        if n_steps >= task.latency_steps:
            ready = episode.waiting[(n_steps - task.latency_steps) % n_places]
            place(market, history.own, episode, ready)
    episode.n_steps += 1


@kernel
def see(market, task, predictor, history, episode, scratch):
    """Observe the market after it has moved."""
    step = scratch.step
    step.mark_before = 0.5 * history.mid_twice
    step.position_before = history.position
    step.cash_change = -history.cash  # what is there now is added in `settle_step`
    look(market, task, predictor, history, episode, scratch)


@kernel
def place(market, own, episode, wanted):
    """Bring the resting quote to the wanted one; nothing is sent when nothing would change."""
    if keeps(own.bid_price, own.bid_quantity, wanted.bid_price, wanted.bid_quantity) and keeps(
        own.ask_price, own.ask_quantity, wanted.ask_price, wanted.ask_quantity
    ):
        return
    send(market, episode, wanted)


@kernel(inline=False)
def send(market, episode, wanted):
    """Enter a quote. Not inlined, which compiles sooner and runs as fast."""
    account = market.accounts[AGENT]
    bid_before, ask_before = account.bid_quote_id, account.ask_quote_id
    bid, bid_lots = np.int64(wanted.bid_price), np.int64(wanted.bid_quantity)
    ask, ask_lots = np.int64(wanted.ask_price), np.int64(wanted.ask_quantity)
    market.n_events = 0
    quote_unlimited(market, AGENT, bid, bid_lots, ask, ask_lots, QUOTE_OPTIONS, 0)
    count_order(episode, account.bid_quote_id, bid_before, bid_lots)
    count_order(episode, account.ask_quote_id, ask_before, ask_lots)


@kernel
def keeps(price, quantity, wanted_price, wanted_quantity):
    """Whether a side may stay as it is; as `strategies.quoting` has it, with 0 for no order."""
    if price == 0 or wanted_price == 0:
        return price == wanted_price
    return price == wanted_price and quantity <= wanted_quantity


@kernel
def count_order(episode, order_id, id_before, quantity):
    """Count what became of one side of a quote."""
    if order_id != 0 and order_id != id_before:
        episode.n_orders += 1
        episode.lots_ordered += quantity
    elif order_id == 0 and quantity > 0:
        episode.n_refused += 1


@kernel
def look(market, task, predictor, history, episode, scratch):
    """See the market: depth, own quote, features."""
    depth, own = scratch.depth, scratch.own
    write_depth(market, depth)
    account = market.accounts[AGENT]
    write_own_side(market, account.bid_quote_id, own, True)
    write_own_side(market, account.ask_quote_id, own, False)
    n_left = max(task.episode_steps - episode.n_steps, 0)
    time_left_s = n_left * task.step_ns / 1e9
    observe(depth, account, own, time_left_s, task.unit_lots, history, predictor, scratch.raw)


@kernel
def write_own_side(market, order_id, own, is_bid):
    """What rests of one side of the agent's quote."""
    slot = find_order(market, order_id) if order_id != 0 else 0
    price = price_of(market, slot) if slot != 0 else 0
    quantity = market.orders[slot].quantity if slot != 0 else 0
    if is_bid:
        own.bid_price, own.bid_quantity = price, quantity
    else:
        own.ask_price, own.ask_quantity = price, quantity


@kernel
def settle_step(market, task, history, episode, scratch):
    """What the step was worth; the episode's account is carried on."""
    account = market.accounts[AGENT]
    step = scratch.step
    step.position = account.position
    step.cash_change += account.cash
    step.fees_change = account.fees - episode.fees
    step.mark = 0.5 * history.mid_twice
    step.entry = history.entry
    step.value = market.flow.value
    step.volatility = max(history.variance, 0.0) ** 0.5
    step.equity_clip = task.equity_clip
    step.ahead_before = episode.ahead
    step.ahead = episode.ahead + (equity_change_clipped(step) - task.pnl_target)
    episode.ahead = step.ahead
    step.is_last = 1 if episode.n_steps >= episode.n_steps_max else 0
    reward = task.reward_scale * weigh(step, task.weights)
    episode.fees = account.fees
    episode.reward += reward
    keep_account(account, step, episode)
    return reward


@kernel
def keep_account(account, step, episode):
    """Sums that tell how the episode went."""
    equity = account.cash + account.position * step.mark - account.fees / FEE_UNITS
    episode.changes_squared += (equity - episode.equity) ** 2
    episode.equity = equity
    episode.equity_max = max(episode.equity_max, equity)
    episode.drawdown_max = max(episode.drawdown_max, episode.equity_max - equity)
    episode.spread_captured += step.cash_change + step.mark_before * (
        step.position - step.position_before
    )
    episode.positions += abs(step.position)
    episode.position_max = max(episode.position_max, abs(step.position))


@kernel
def step_rows(
    markets,
    task,
    columns,
    predictor,
    actions,
    active,
    histories,
    episodes,
    observations,
    rewards,
    ended,
    backwards,
):
    """One step of each active row: (n,) of MARKET, HISTORY, EPISODE; actions (n, 3 or 4).

    Writes observations (n, n_columns), rewards (n,) and ended (n,); rows not active stay as they are.
    A chunk of rows acts, then moves, then looks, as the code of all three together is larger than the
    nearest instruction cache: 4 % faster than one row after the other. Rows do not depend on each other,
    so what was used last comes first where that can be chosen: a chunk moves in the other direction than
    it acts and looks, and with `backwards` in every other step the last chunk begins. Where the caches
    hold a part of the batch only, that part is then found there; 5 % faster with 256 rows. Rows are
    unsigned: of a signed index numba asks whether it counts from the end.
    """
    scratch, n_first = np.zeros(1, SCRATCH), n_leading(columns)
    n_chunks = (len(markets) + CHUNK - 1) // CHUNK
    for k in range(n_chunks):
        first = CHUNK * (n_chunks - 1 - k if backwards else k)
        last = min(first + CHUNK, len(markets))
        for j in range(first, last):
            i = np.uint64(j)
            if active[i]:
                act(markets[i], i, task[0], actions, histories[i], episodes[i], scratch[0])
        for j in range(last - 1, first - 1, -1):
            i = np.uint64(j)
            if active[i]:
                advance_market(markets[i], markets[i].now_ns + task[0].step_ns)
        for j in range(first, last):
            i = np.uint64(j)
            if active[i]:
                market, history, episode = markets[i], histories[i], episodes[i]
                see(market, task[0], predictor, history, episode, scratch[0])
                rewards[i] = settle_step(market, task[0], history, episode, scratch[0])
                choose(scratch[0].raw, columns, n_first, observations, i)
                ended[i] = episode.n_steps >= episode.n_steps_max


@batch_kernel
def step_rows_parallel(
    markets,
    task,
    columns,
    predictor,
    actions,
    active,
    histories,
    episodes,
    observations,
    rewards,
    ended,
):
    """`step_rows` on all of numba's threads."""
    for chunk in numba.prange((len(markets) + CHUNK - 1) // CHUNK):
        some = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        step_rows(
            markets[some],
            task,
            columns,
            predictor,
            actions[some],
            active[some],
            histories[some],
            episodes[some],
            observations[some],
            rewards[some],
            ended[some],
            False,
        )


@kernel
def blank_rows(
    rows, seeds, n_episodes, template, market_words, history_words, episode_words, markets
):
    """Blank what the next episode of these rows needs: nothing seen, a market with its opening book.

    rows: bool (n,). template: such a market but for its random state, which follows from the row's seed
    and how many episodes it has begun. Records come as words of 8 bytes, which are soon copied.
    """
    for i in range(len(rows)):
        if rows[i]:
            history_words[i, :] = 0
            episode_words[i, :] = 0
            market_words[i, :] = template
            write_state(episode_seed(seeds[i], n_episodes[i]), markets[i].rng)


@kernel
def begin_rows(
    markets,
    rows,
    task,
    columns,
    predictor,
    warm_up_steps,
    histories,
    episodes,
    observations,
    ended,
    n_episodes,
):
    """Begin an episode in these rows, bool (n,), which `blank_rows` has made ready: their markets warm
    up, as in `exchange.simulation.presets.warm_up`.
    """
    for i in range(len(rows)):
        if rows[i]:
            market = markets[i]
            start_volatility(market)
            advance_market(market, market.now_ns + warm_up_steps * market.flow.step_ns)
            begin_episode(
                market, i, task[0], columns, predictor, histories[i], episodes[i], observations
            )
            ended[i] = False
            n_episodes[i] += 1


@kernel
def begin_episode(market, i, task, columns, predictor, history, episode, observations):
    """The market stands where an episode begins: note how long it lasts, look for the first time."""
    episode.n_steps_max = task.episode_steps
    scratch = np.zeros(1, SCRATCH)
    look(market, task, predictor, history, episode, scratch[0])
    choose(scratch[0].raw, columns, n_leading(columns), observations, i)
