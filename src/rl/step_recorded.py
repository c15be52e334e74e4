"""The kernels of `step.py` where a recording is the market: its orders come, and the agent's trade."""

from typing import NamedTuple

import numpy as np

from exchange.engine.kernel import kernel
from exchange.simulation.recorded.apply import Orders, open_market
from exchange.simulation.recorded.flow import advance_flow
from exchange.simulation.recorded.messages import Array
from rl.step import SCRATCH, act, begin_episode, see, settle_step
from strategies.observe import choose, n_leading


class RowOrders(NamedTuple):
    """`Orders` of n rows, and how far each has got in the recording that they share."""

    engine_ids: Array  # int64 (n, n_numbers + 1)
    orders_at: Array  # int32 (n, n_slots)
    counts: Array  # (n, 1) of COUNTS
    commands: Array  # (n, 1) of COMMAND
    places: Array  # int64 (n,): the next message


@kernel
def orders_of(rows, i):
    """Those of row i."""
    return Orders(rows.engine_ids[i], rows.orders_at[i], rows.counts[i], rows.commands[i])


@kernel
def advance_recorded(markets, i, messages, rows, until_ns):
    """Move row i all the way, forgetting the events that its buffer cannot hold."""
    while markets[i].now_ns < until_ns:
        advance_flow(markets, i, messages, orders_of(rows, i), rows.places[i : i + 1], until_ns)


@kernel
def step_recorded_rows(
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
    messages,
    rows,
):
    """`rl.step.step_rows`, with messages of the recording for participants."""
    scratch, n_first = np.zeros(1, SCRATCH), n_leading(columns)
    for i in range(len(markets)):
        if active[i]:
            market, history, episode = markets[i], histories[i], episodes[i]
            act(market, i, task[0], actions, history, episode, scratch[0])
            advance_recorded(markets, i, messages, rows, market.now_ns + task[0].step_ns)
            see(market, task[0], predictor, history, episode, scratch[0])
            rewards[i] = settle_step(market, task[0], history, episode, scratch[0])
            choose(scratch[0].raw, columns, n_first, observations, i)
            ended[i] = episode.n_steps >= episode.n_steps_max


@kernel
def begin_recorded_row(
    markets,
    i,
    task,
    columns,
    predictor,
    opening,
    rows,
    histories,
    episodes,
    observations,
    ended,
    n_episodes,
):
    """Begin an episode in row i: rest the opening book and look. Its clock stands at the start."""
    market = markets[i]
    open_market(markets, i, opening, orders_of(rows, i))
    market.n_events = 0
    begin_episode(market, i, task[0], columns, predictor, histories[i], episodes[i], observations)
    ended[i] = False
    n_episodes[i] += 1
