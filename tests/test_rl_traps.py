"""Known traps of learned market makers: hidden private state, profit in pure noise, the future.

That quotes cannot move their own mark, that nobody profits by trading with itself, and that doing
nothing is not best: `test_rl_batch.py`. That a recording's future is not seen: `test_rl_recorded.py`.
"""

from itertools import product
from typing import Any

import numpy as np
import pytest

from rl.baselines import quoter
from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.evaluate import TUNING_SEEDS, VALIDATION_SEEDS, evaluate, evaluate_quoter
from rl.scores import Scores, paired
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.features import PRESETS, PRIVATE
from strategies.glft import Glft
from strategies.policy import load_policy
from strategies.rl_mm import SHIPPED_POLICY
from strategies.skew import SkewMaker
from strategies.symmetric_mm import SymmetricMaker

OWN_ORDERS = tuple(name for name in PRIVATE if name.startswith("own_"))


def test_a_policy_sees_its_own_position_orders_and_time() -> None:
    task = TaskConfig(features="extended")
    batch = MarketBatch(2, task, [7, 7])  # the same market twice
    same = batch.reset().copy()
    assert same[0].tobytes() == same[1].tobytes()
    bid, ask = (int(batch.histories[name][0]) for name in ("bid_price", "ask_price"))
    batch.step_quotes([[bid, 2, ask, 1], [0, 0, 0, 0]])
    seen = dict(zip(batch.feature_names, batch.observations.T, strict=True))
    for name in OWN_ORDERS:
        assert seen[name][0] != seen[name][1], name
    assert (seen["time_left"] < same[:, batch.feature_names.index("time_left")]).all()


def test_a_policy_of_the_default_features_sees_its_position() -> None:
    assert "inventory" in PRESETS["default"]
    batch = MarketBatch(64, TaskConfig())
    batch.reset()
    for _ in range(80):
        batch.step(np.zeros((64, 3)))
    position = batch.markets["accounts"]["position"][:, 4]
    shown = batch.observations[:, PRESETS["default"].index("inventory")]
    assert len(set(position.tolist())) > 4
    assert np.array_equal(np.sign(shown), np.sign(position))
    assert all(len(set(shown[position == p].tolist())) == 1 for p in set(position.tolist()))


# --- pure noise -----------------------------------------------------------------------------------

# The value stands still and nobody knows more: whoever quotes earns the spread, and there is no more to know.
NOISE = TaskConfig(
    market="noise",
    features="extended",
    episode_steps=600,
    reward={"equity_change": 1.0, "position_squared": 0.02},
)
SEEDS = VALIDATION_SEEDS[-128:]


@pytest.fixture(scope="module")
def best_skew() -> dict[str, Scores]:
    """On other seeds, the skew makers with the best mean reward and Sharpe on the tuning seeds."""
    makers = [
        SkewMaker(half_spread=1.0, skew=skew, quantity=quantity, position_max=most)
        for skew, quantity, most in product((0.0, 0.05, 0.2, 0.4), (1, 3), (1, 2, 50))
    ]
    tuned = [evaluate_quoter(quoter(maker), NOISE, TUNING_SEEDS[:128]) for maker in makers]
    rewards, sharpes = ([getattr(x, name) for x in tuned] for name in ("objective", "sharpe"))
    best = {
        "reward": makers[int(np.argmax(rewards))],
        "sharpe": makers[int(np.argmax(sharpes))],
    }
    return {name: evaluate_quoter(quoter(maker), NOISE, SEEDS) for name, maker in best.items()}


def beaten(best: dict[str, Scores], scores: Scores) -> list[str]:
    """In what the scores are surely better than the best skew for it: the whole paired interval."""
    return [name for name in best if paired(scores, best[name])[name]["low"] > 0]


def test_in_pure_noise_the_shipped_policy_does_not_beat_the_best_skew(
    best_skew: dict[str, Scores],
) -> None:
    policy = load_policy(SHIPPED_POLICY)
    task = NOISE.change(
        features=policy.card["features"],
        action=policy.card["task"]["action"],
        skew=policy.card["task"]["skew"],
        position_max=policy.card["task"]["position_max"],
        predictor=policy.card["task"].get("predictor", ()),
    )
    assert all(scores.pnl.mean() > 0 for scores in best_skew.values())  # there is a spread to earn
    assert beaten(best_skew, evaluate(policy, task, SEEDS)) == []


@pytest.mark.parametrize(
    "maker",
    [SymmetricMaker(), SymmetricMaker(0.5, 10), Glft(), AvellanedaStoikov()],
    ids=["symmetric", "symmetric_large", "glft", "avellaneda_stoikov"],
)
def test_in_pure_noise_no_other_maker_beats_the_best_skew(
    maker: Any, best_skew: dict[str, Scores]
) -> None:
    assert beaten(best_skew, evaluate_quoter(quoter(maker), NOISE, SEEDS)) == []


def test_the_comparison_is_sharp_enough_to_fail(best_skew: dict[str, Scores]) -> None:
    """Against a maker one tick wider, the best skew is found to be better on as many seeds."""
    wide = evaluate_quoter(quoter(SkewMaker(half_spread=1.5, skew=0.1, quantity=5)), NOISE, SEEDS)
    for name, scores in best_skew.items():
        assert beaten({name: wide}, scores) == [name]
