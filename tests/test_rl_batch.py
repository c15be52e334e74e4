"""A batch of market-making episodes: its rows, its seeds, its rewards, and the known traps."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from exchange.engine.accounts import set_default_limits
from exchange.engine.resting import resting_orders
from exchange.simulation.presets import new_simulated_markets
from market_kit import state
from rl.baselines import quoter, run_episodes
from rl.batch import MarketBatch
from rl.config import ConfigError, TaskConfig
from rl.rewards import TERMS
from rl.seeds import DERIVED_SEEDS_MIN, episode_seed
from rl.step import AGENT
from strategies.actions import Actions, action_kind
from strategies.backtest import Entrant, run_backtest
from strategies.features import Features
from strategies.skew import SkewMaker
from strategies.strategy import Quote, View

SEED = 15


def tight_actions(seed: int, n_steps: int, n: int) -> np.ndarray[Any, Any]:
    """Random actions close to the touch, (n_steps, n, 3): quotes that often trade."""
    return np.random.default_rng(seed).integers(0, [3, 3, 10], (n_steps, n, 3))


def run(batch: MarketBatch, actions: np.ndarray[Any, Any]) -> list[bytes]:
    """Everything that one row after the other shows over a run, as bytes a step."""
    shown = []
    for action in actions:
        observations, rewards, ended = batch.step(action)
        shown.append(observations.tobytes() + rewards.tobytes() + ended.tobytes())
    return shown


def test_a_row_of_a_batch_is_that_market_alone_byte_for_byte():
    config = TaskConfig(features="extended", episode_steps=40)
    seeds, actions = [SEED, 5, 2**61 + 9], tight_actions(1, 90, 3)
    batch = MarketBatch(3, config, seeds)
    alone = [MarketBatch(1, config, [seed]) for seed in seeds]
    for start in (0, 40):  # the second episode's market follows from the row's own seed, too
        batch.reset()
        for i, one in enumerate(alone):
            assert one.reset()[0].tobytes() == batch.observations[i].tobytes()
        for step in range(start, start + 40):
            batch.step(actions[step])
            for i, one in enumerate(alone):
                one.step(actions[step, i : i + 1])
                assert one.observations[0].tobytes() == batch.observations[i].tobytes()
                assert one.rewards[0] == batch.rewards[i]
        for i, one in enumerate(alone):
            assert one.markets[0].tobytes() == batch.markets[i].tobytes()
            assert one.episodes[0].tobytes() == batch.episodes[i].tobytes()


def test_the_number_of_threads_changes_nothing():
    actions = tight_actions(2, 30, 70)
    batches = [MarketBatch(70, n_threads=n) for n in (1, 2)]
    for batch in batches:
        batch.reset()
    assert run(batches[0], actions) == run(batches[1], actions)
    assert batches[0].markets.tobytes() == batches[1].markets.tobytes()


def test_the_first_market_of_a_seed_is_the_simulated_market_of_that_seed():
    batch = MarketBatch(2, TaskConfig(market="volatile"), [SEED, 8])
    batch.reset()
    markets = new_simulated_markets(2, [SEED, 8], preset="volatile")
    set_default_limits(markets, AGENT)
    assert [state(market) for market in batch.markets] == [state(market) for market in markets]


def test_the_same_seed_gives_the_same_bytes_again():
    batch, actions = MarketBatch(2, seeds=[SEED, 3]), tight_actions(3, 25, 2)
    batch.reset()
    first = run(batch, actions)
    batch.reset()
    second = run(batch, actions)
    batch.reset(seeds=[SEED, 3])
    assert run(batch, actions) == first != second


def test_later_episodes_never_meet_a_seed_chosen_by_name():
    seeds = {episode_seed(seed, episode) for seed in range(300) for episode in range(1, 30)}
    assert len(seeds) == 300 * 29
    assert min(seeds) >= DERIVED_SEEDS_MIN
    assert max(seeds) < 2**62
    assert episode_seed(SEED, 0) == SEED


def test_rows_that_are_masked_out_stay_as_they_are():
    batch = MarketBatch(3)
    batch.reset()
    before = batch.markets.tobytes()
    batch.step(np.zeros((3, 3)), mask=np.zeros(3, bool))
    assert batch.markets.tobytes() == before
    batch.step(np.zeros((3, 3)), mask=np.array([True, False, True]))
    assert batch.episodes["n_steps"].tolist() == [1, 0, 1]
    batch.reset(np.array([True, False, False]))
    assert batch.episodes["n_steps"].tolist() == [0, 0, 1]
    assert batch.n_episodes.tolist() == [2, 1, 1]


class PolicyLike:
    """A live strategy with the features and actions of a task, playing back a list of actions."""

    def __init__(self, config: TaskConfig, actions: np.ndarray[Any, Any]) -> None:
        self.features = Features(config.features, unit_lots=config.unit_lots)
        self.actions = Actions(
            config.action,
            position_max=config.position_max,
            skew=config.skew,
            unit_lots=config.unit_lots,
        )
        self.left = list(actions)
        self.seen: list[bytes] = []

    def decide(self, view: View) -> Quote:
        self.seen.append(self.features.observe(view).tobytes())
        return self.actions.quote(self.left.pop(0), view, self.features.histories)


@pytest.mark.parametrize(
    ("action", "unit_lots"),
    [
        ("multi_discrete", 1),
        ("multi_discrete", 3),
        ("box", 1),
        ("reservation", 1),
        ("reservation", 2),
    ],
)
def test_live_features_and_orders_are_those_of_training_byte_for_byte(action, unit_lots):
    n_steps = 600
    config = TaskConfig(
        features="extended", action=action, episode_steps=n_steps, skew=0.05, unit_lots=unit_lots
    )
    random = np.random.default_rng(4)
    if action == "box":
        actions = random.uniform(-1, -0.4, (n_steps, 3))
    else:
        actions = random.integers([0, 0, 0], [3, 3, 10], (n_steps, 3))
        actions += [7, 0, 0] if action == "reservation" else [0, 0, 0]
    batch = MarketBatch(1, config, [SEED])
    shown = [batch.reset()[0].tobytes()]
    for one in actions:
        shown.append(batch.step(one[None])[0][0].tobytes())
    strategy = PolicyLike(config, actions)
    markets = new_simulated_markets(1, [SEED])
    (trader,) = run_backtest(markets, [Entrant(strategy, AGENT)], n_steps)

    assert strategy.seen == shown[:-1]
    assert state(batch.markets[0]) == state(markets[0])
    metrics = trader.metrics()
    assert batch.summary(0)["n_fills"] == metrics.n_fills
    assert batch.episodes["lots_ordered"][0] == trader.lots_ordered
    assert metrics.n_fills > 15


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda batch: pickle.loads(pickle.dumps(batch))])
def test_a_copy_goes_on_and_begins_anew_as_the_batch_itself(copied):
    batch = MarketBatch(3)
    batch.reset()
    actions = tight_actions(9, 40, 3)
    for action in actions[:20]:
        batch.step(action)
    other = copied(batch)
    for one in (batch, other):
        for action in actions[20:30]:
            one.step(action)
        one.reset(np.array([True, False, True]))
        for action in actions[30:]:
            one.step(action)
    assert other.markets.tobytes() == batch.markets.tobytes()
    assert other.observations.tobytes() == batch.observations.tobytes()
    assert other.episodes["n_steps"].tolist() == [10, 40, 10]


# --- rewards --------------------------------------------------------------------------------------


def step_told(batch, action):
    """Step, and tell of each row what STEP says, from what can be seen before and after."""
    history = batch.histories
    before = {name: history[name].copy() for name in ("mid_twice", "position", "cash")}
    ahead_before = batch.episodes["ahead"].copy()
    batch.step(action)
    account = batch.markets["accounts"][:, AGENT]
    return {
        "position_before": before["position"],
        "position": account["position"],
        "cash_change": account["cash"] - before["cash"],
        "mark_before": 0.5 * before["mid_twice"],
        "mark": 0.5 * history["mid_twice"],
        "entry": history["entry"],
        "value": batch.markets["flow"]["value"],
        "volatility": np.sqrt(np.maximum(history["variance"], 0)),
        "ahead_before": ahead_before,
        "ahead": batch.episodes["ahead"],
    }


def test_the_guides_reward_is_spread_less_inventory_plus_a_little_unrealized():
    batch = MarketBatch(64, TaskConfig())
    batch.reset()
    for action in tight_actions(5, 60, 64):
        step, history = step_told(batch, action), batch.histories
        captured = step["cash_change"] + step["mark_before"] * (
            step["position"] - step["position_before"]
        )
        unrealized = step["position"] * (0.5 * history["mid_twice"] - history["entry"])
        expected = captured - 0.01 * step["position"] ** 2.0 + 0.001 * unrealized
        assert np.allclose(batch.rewards, expected, atol=1e-4)


def test_changes_of_equity_sum_to_the_profit_and_fees_make_the_rest():
    config = TaskConfig(
        reward={"equity_change": 1.0, "fees": 1.0}, maker_fee_ppm=20, taker_fee_ppm=50
    )
    batch = MarketBatch(16, config)
    batch.reset()
    total = np.zeros(16)
    for action in tight_actions(6, 200, 16):
        total += batch.step(action)[1]
    assert np.allclose(total, batch.pnl, atol=1e-2)
    assert (batch.markets["accounts"]["fees"][:, AGENT] > 0).all()
    account = batch.markets["accounts"][:, AGENT]
    mark = 0.5 * batch.histories["mid_twice"]
    worth = account["cash"] + account["position"] * mark - account["fees"] / 1e6
    assert np.allclose(batch.pnl, worth)


def test_every_term_alone_is_what_its_name_says():
    rewards = {}
    for term in TERMS:
        config = TaskConfig(reward={term: 2.0}, episode_steps=30, features="extended")
        batch = MarketBatch(32, config)
        batch.reset()
        for action in tight_actions(7, 30, 32):
            step = step_told(batch, action)
        rewards[term] = batch.rewards.astype(np.float64) / 2
    position = step["position"].astype(np.float64)
    change = step["position"] - step["position_before"]
    equity = (
        step["cash_change"]
        + position * step["mark"]
        - step["position_before"] * step["mark_before"]
    )
    ratio = np.clip(step["volatility"] / 0.44, 0.3, 4.0)
    expected = {
        "spread_captured": step["cash_change"] + step["mark_before"] * change,
        "position_squared": -(position**2),
        "unrealized_pnl": position * (step["mark"] - step["entry"]),
        "equity_change": equity,
        "equity_change_clipped": np.clip(equity, -12, 12),
        "fees": 0 * position,
        "position_size": -np.abs(position),
        "terminal_position_squared": -(position**2),
        "volatility_scaled_position_squared": -((ratio * position) ** 2),
        "value_captured": step["cash_change"] + step["value"] * change,
        "pnl_variance": 0.5 * (step["ahead_before"] ** 2 - step["ahead"] ** 2),
    }
    assert set(expected) == set(TERMS)
    for term, values in expected.items():
        assert np.allclose(rewards[term], values, atol=1e-3, rtol=1e-5), term
    assert (position != 0).any()


def test_the_variance_term_sums_to_the_squared_distance_from_the_target():
    config = TaskConfig(reward={"pnl_variance": 1.0}, equity_clip=1e6, pnl_target=0.5)
    batch = MarketBatch(16, config)
    batch.reset()
    total = sum(batch.step(action)[1].astype(np.float64) for action in tight_actions(8, 100, 16))
    assert np.allclose(total, -0.5 * (batch.pnl - 100 * 0.5) ** 2, rtol=1e-4)


def test_a_reward_can_be_scaled():
    plain, scaled = MarketBatch(4), MarketBatch(4, TaskConfig(reward_scale=0.1))
    for batch in (plain, scaled):
        batch.reset()
    for action in tight_actions(8, 40, 4):
        plain.step(action)
        scaled.step(action)
        assert np.allclose(scaled.rewards, plain.rewards / 10, atol=1e-5)


# --- actions --------------------------------------------------------------------------------------


def test_offsets_count_from_the_tightest_quote_that_does_not_cross():
    batch = MarketBatch(50, TaskConfig(latency_steps=1))
    batch.reset()
    mid_twice = batch.histories["mid_twice"].copy()
    batch.step(np.tile([3, 5, 6], (50, 1)))
    wanted = batch.episodes["waiting"][:, 0]
    assert (wanted["bid_price"] == (mid_twice - 1) // 2 - 3).all()
    assert (wanted["ask_price"] == (mid_twice + 2) // 2 + 5).all()
    assert (wanted["bid_quantity"] == 7).all()


def test_no_action_quotes_where_it_would_trade_or_beyond_the_position_limit():
    for action, high in (("multi_discrete", [1, 1, 10]), ("reservation", [17, 3, 10])):
        batch = MarketBatch(32, TaskConfig(action=action, position_max=7))
        batch.reset()
        random = np.random.default_rng(9)
        for _ in range(200):
            batch.step(random.integers(0, high, (32, 3)))
            assert (np.abs(batch.histories["position"]) <= 7).all()
        assert (batch.episodes["n_refused"] == 0).all()
        assert (batch.episodes["position_max"] == 7).any()


def test_a_quote_reaches_the_market_some_steps_later():
    batch = MarketBatch(1, TaskConfig(latency_steps=2, market="calm"), [SEED])
    batch.reset()
    own = batch.histories["own"]
    for _ in range(2):
        batch.step([[9, 9, 0]])
        assert own["bid_price"][0] == 0
    asked_for = batch.episodes["waiting"][0, 0]["bid_price"]
    batch.step([[9, 9, 0]])
    assert own["bid_price"][0] == asked_for


def test_wrong_actions_and_seeds_are_refused():
    batch = MarketBatch(2)
    with pytest.raises(RuntimeError, match="reset a batch before"):
        batch.step([[0, 0, 0]] * 2)
    batch.reset(np.array([True, False]))
    with pytest.raises(RuntimeError, match="reset a batch before"):
        batch.step([[0, 0, 0]] * 2)
    batch.step([[0, 0, 0]] * 2, np.array([True, False]))
    batch.reset()
    with pytest.raises(ValueError, match=r"actions are \(2, 3\)"):
        batch.step([[0, 0, 0]])
    with pytest.raises(ValueError, match="as many seeds"):
        MarketBatch(2, seeds=[1])
    with pytest.raises(ValueError, match="whole numbers"):
        MarketBatch(1, seeds=[-1])
    with pytest.raises(ValueError, match="whole numbers"):
        MarketBatch(1, seeds=[1.7])
    with pytest.raises(ConfigError, match="a batch has at most"):
        MarketBatch(10**9)
    with pytest.raises(ConfigError, match="predictor: "):
        MarketBatch(1, predictor=np.ones(3))
    with pytest.raises(ValueError, match="n_threads is at least 1, not -1"):
        MarketBatch(1, n_threads=-1)
    with pytest.raises(ValueError, match="unknown action"):
        action_kind("dance")


@pytest.mark.parametrize("mask", [[True], [[True, True, True]], [0, 1, 2], [1, 0, 1]])
def test_a_mask_has_a_truth_for_every_row(mask: Any):
    batch = MarketBatch(3)
    batch.reset()
    with pytest.raises(ValueError, match=r"a mask is bool \(3,\)"):
        batch.reset(np.array(mask))
    with pytest.raises(ValueError, match=r"a mask is bool \(3,\)"):
        batch.step([[0, 0, 0]] * 3, np.array(mask))


# --- the market as configured ----------------------------------------------------------------------


def test_parameters_are_drawn_anew_for_each_episode_from_its_seed():
    config = TaskConfig(ranges={"value_sd": (0.1, 0.4), "orders_target": (60, 140)})
    batch = MarketBatch(40, config)
    batch.reset()
    first = batch.markets["flow"]["value_sd"].copy()
    assert len(set(first)) == 40
    assert (first >= 0.1).all()
    assert (first <= 0.4).all()
    alone = MarketBatch(1, config, [17])
    alone.reset()
    assert alone.markets[0].tobytes() == batch.markets[17].tobytes()
    batch.reset()
    assert not (batch.markets["flow"]["value_sd"] == first).any()


def test_staggered_rows_end_one_after_the_other_the_first_time_only():
    batch = MarketBatch(4, TaskConfig(episode_steps=8), stagger=True)
    batch.reset()
    assert batch.episodes["n_steps_max"].tolist() == [8, 6, 4, 2]
    batch.reset(np.array([False, False, False, True]))
    assert batch.episodes["n_steps_max"].tolist() == [8, 6, 4, 8]


# --- traps of learned market makers -----------------------------------------------------------------


def best_of_others(market: Any) -> tuple[int, int]:
    """Best prices of all orders but the agent's, read from the orders themselves."""
    orders = resting_orders(market)
    orders = orders[orders["account"] != AGENT]
    return (
        int(orders["price"][orders["side"] == 0].max()),
        int(orders["price"][orders["side"] == 1].min()),
    )


def test_own_quotes_cannot_move_the_price_that_the_position_is_marked_at():
    batch = MarketBatch(4)
    batch.reset()
    inside = 0
    for action in tight_actions(10, 200, 4) * [0, 1, 1]:
        batch.step(action)
        for i, market in enumerate(batch.markets):
            bid, ask = best_of_others(market)
            assert batch.histories["mid_twice"][i] == bid + ask
            inside += int(batch.depths["bid_price"][i, 0]) > bid
    assert inside > 20  # the own bid was often alone at the top


def test_no_quote_moves_the_mark_of_an_empty_market():
    batch = MarketBatch(1, TaskConfig(market="empty", reward={"equity_change": 1.0}))
    batch.reset()
    for bid in range(10_000, 10_200, 10):
        _, rewards, _ = batch.step_quotes([[bid, 10, bid + 5, 10]])
        assert rewards[0] == 0
        assert batch.histories["mid_twice"][0] == 2 * 10_000


def test_nobody_can_profit_by_trading_with_itself():
    batch = MarketBatch(8, TaskConfig(market="empty"))
    batch.reset()
    random = np.random.default_rng(12)
    for _ in range(300):  # quotes that would cross those of the step before, and themselves
        prices, lots = random.integers(9_990, 10_010, (8, 2)), random.integers(0, 10, (8, 2))
        batch.step_quotes(np.stack([prices, lots], axis=2).reshape(8, 4))
    assert (batch.markets["accounts"]["n_fills"] == 0).all()
    assert (batch.pnl == 0).all()
    assert (batch.episodes["n_orders"] > 50).all()


def test_doing_nothing_is_not_the_best_policy_of_the_default_market():
    config, seeds = TaskConfig(), range(300, 428)
    idle = run_episodes(config, seeds, lambda batch: np.zeros((batch.n, 4), np.int64))
    skew = run_episodes(config, seeds, quoter(SkewMaker()))
    assert (idle["equity"] == 0).all()
    assert (idle["reward"] == 0).all()
    for name in ("equity", "reward"):
        values = skew[name]
        assert values.mean() > 5 * values.std() / len(seeds) ** 0.5
