"""The classical market makers over arrays are the strategies' own classes, order by order."""

import numpy as np
import pytest

from exchange.simulation.presets import new_simulated_markets
from market_kit import state
from rl.baselines import quoter, run_episodes
from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.step import AGENT
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.backtest import Entrant, run_backtest
from strategies.glft import Glft
from strategies.momentum import Momentum
from strategies.skew import SkewMaker
from strategies.symmetric_mm import SymmetricMaker

N_STEPS = 200
MAKERS = [
    SymmetricMaker(half_spread=0.5, quantity=7, position_max=12),
    SkewMaker(half_spread=1.0, skew=0.3, quantity=3),
    AvellanedaStoikov(),
    AvellanedaStoikov(horizon="infinite", position_max=20),
    Glft(),
    Glft(form="exact", position_max=30),
]


@pytest.mark.parametrize("maker", MAKERS, ids=repr)
def test_over_arrays_a_maker_sends_the_very_orders_that_its_class_sends(maker):
    seeds = [3, 4]
    batch, quotes = MarketBatch(2, TaskConfig(episode_steps=N_STEPS), seeds), quoter(maker)
    batch.reset()
    for _ in range(N_STEPS):
        batch.step_quotes(quotes(batch))
    for i, seed in enumerate(seeds):
        markets = new_simulated_markets(1, [seed])
        run_backtest(markets, [Entrant(maker, AGENT)], N_STEPS)
        assert state(batch.markets[i]) == state(markets[0])
    assert batch.markets["accounts"]["n_fills"][:, AGENT].sum() > 10


def test_episodes_come_out_in_the_order_of_their_seeds_whatever_the_batch():
    config = TaskConfig(episode_steps=50)
    at_once = run_episodes(config, [9, 2, 5], quoter(SkewMaker()))
    in_parts = run_episodes(config, [9, 2, 5], quoter(SkewMaker()), batch_size=2)
    assert at_once.tobytes() == in_parts.tobytes()
    alone = run_episodes(config, [5], quoter(SkewMaker()))
    assert alone[0].tobytes() == at_once[2].tobytes()
    assert len(np.unique(at_once["equity_max"] + at_once["lots_ordered"])) > 1


def test_what_has_no_form_over_arrays_says_so():
    with pytest.raises(ValueError, match="running estimate"):
        quoter(AvellanedaStoikov(volatility=0.0))
    with pytest.raises(ValueError, match="no form over arrays"):
        quoter(Momentum())
