"""The predictor of short moves: its fit, its figures, its file, and its way into policies."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra rl")
pytest.importorskip("stable_baselines3", reason="training needs the extra rl")
pytest.importorskip("onnx", reason="export needs the extra rl")

from rl.batch import MarketBatch
from rl.config import ConfigError, TaskConfig
from rl.predictor import (
    Fit,
    PredictorError,
    Sessions,
    auc,
    compare,
    fit_network,
    load_predictor,
    save_predictor,
    score,
    sessions,
)
from rl.recipe import TASKS, Recipe
from rl.train import Run
from strategies.features import PREDICTOR_INPUTS, Features
from strategies.observe import FEATURES
from strategies.policy import PolicyError, load_policy
from strategies.rl_mm import RLMarketMaker

ROOT = Path(__file__).parents[1]
TASK = TaskConfig(episode_steps=200)
HORIZON = 4
SCALE = {name: scale for name, scale, _ in FEATURES}


@pytest.fixture(scope="module")
def train() -> Sessions:
    return sessions(TASK, range(900_000_000, 900_000_128), HORIZON)


@pytest.fixture(scope="module")
def weights(train: Sessions) -> Any:
    return fit_network(train, Fit(n_hidden=8, n_epochs=12))


def test_moves_are_those_of_the_mid_after_the_inputs(train: Sessions) -> None:
    assert train.inputs.shape == (128, 200 - HORIZON + 1, len(PREDICTOR_INPUTS))
    returns = train.inputs[:, HORIZON:, PREDICTOR_INPUTS.index("return_1s")] / SCALE["return_1s"]
    calm = np.abs(returns) * SCALE["return_1s"] < 5  # not cut
    moves = train.moves[:, : returns.shape[1]]
    assert np.allclose(
        returns[calm], moves[calm], atol=1e-5
    )  # the return a second later is the move


def test_on_markets_never_seen_it_tells_up_from_down(train: Sessions, weights: Any) -> None:
    test = sessions(TASK, range(300_000, 300_160), HORIZON)
    figures = compare(weights, train, test)
    network, constant = figures["network"], figures["constant"]
    assert network["log_loss"]["high"] < constant["log_loss"]["low"]
    assert network["auc"]["low"] > 0.7
    assert network["accuracy"]["low"] > 0.6
    assert abs(constant["auc"]["mean"] - 0.5) < 1e-9
    assert figures["logistic"]["auc"]["low"] > 0.7


def test_nothing_is_found_where_there_is_nothing(train: Sessions) -> None:
    random = np.random.default_rng(0)
    shuffled = Sessions(train.inputs, random.permutation(train.moves.ravel()).reshape(128, -1))
    fitted = fit_network(shuffled, Fit(n_hidden=4, n_epochs=2))
    figures = compare(fitted, shuffled, Sessions(train.inputs[:64], shuffled.moves[64:]))
    assert figures["network"]["auc"]["low"] < 0.51
    assert figures["network"]["r2"]["low"] < 0.01


def test_the_same_seed_gives_the_same_weights(train: Sessions) -> None:
    one, two, other = (fit_network(train, Fit(4, 1, seed=seed)) for seed in (0, 0, 1))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_a_batch_in_which_nothing_moves_teaches_no_direction(train: Sessions) -> None:
    still = Sessions(train.inputs[:1, :20], np.zeros((1, 20)))
    assert np.isfinite(fit_network(still, Fit(4, 1))).all()


def test_auc_counts_pairs_and_halves_ties() -> None:
    up = np.array([True, False, True, False, True])
    chance = np.array([0.9, 0.2, 0.5, 0.5, 0.1])
    pairs = [(a > b) + 0.5 * (a == b) for a in chance[up] for b in chance[~up]]
    assert auc(chance, up) == pytest.approx(np.mean(pairs))


def test_the_compiled_batch_gives_the_score(weights: Any) -> None:
    names = (*PREDICTOR_INPUTS, "score")
    task = TASK.change(features=names, predictor=weights.tolist())
    batch = MarketBatch(16, task)
    batch.reset()
    for _ in range(30):
        seen, _, _ = batch.step(np.zeros((16, 3)))
    expected = np.clip(SCALE["score"] * score(weights, seen[:, :-1]), -5, 5)
    assert np.allclose(seen[:, -1], expected, atol=1e-5)
    assert np.abs(seen[:, -1]).max() > 0.05
    assert TaskConfig.from_json(task.to_json()) == task


def test_a_policy_carries_its_predictor_and_trades_with_it(tmp_path: Path, weights: Any) -> None:
    task = TASKS["classic"].change(
        episode_steps=30, features="default+predictor", predictor=weights.tolist()
    )
    recipe = Recipe(
        timesteps=256, n_envs=4, n_steps=32, batch_size=64, hidden=(8,), lesson_steps=2,
        validation_seeds=2, validations=1,
    )  # fmt: skip
    run = Run(task, recipe, shown=False)
    run.learn()
    for path in run.save(tmp_path / "agent"):
        policy = load_policy(path)
        assert len(policy.features) == 14
        assert policy.predictor is not None
        assert policy.predictor.tobytes() == weights.tobytes()
        assert isinstance(RLMarketMaker(model_path=str(path))._features, Features)
    changed = RLMarketMaker(model_path=str(tmp_path / "agent.zip"))._features._predictor
    assert changed.tobytes() == weights.tobytes()


def test_a_policy_whose_predictor_knew_other_features_is_refused(
    tmp_path: Path, weights: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS["classic"].change(features="default+predictor", predictor=weights.tolist())
    tiny = Recipe(
        timesteps=64, n_envs=2, n_steps=32, hidden=(4,), imitate=False, validation_seeds=2
    )
    run = Run(task.change(episode_steps=10), tiny, shown=False)
    card = run.card()
    assert [row[0] for row in card["predictor_table"]] == list(PREDICTOR_INPUTS)
    card["predictor_table"][0][1] *= 2
    monkeypatch.setattr(run, "card", lambda: card)
    run.validation.history = []
    path, _ = run.save(tmp_path / "agent")
    with pytest.raises(PolicyError, match="features that have changed"):
        load_policy(path)


def test_files_that_do_not_fit_are_refused(tmp_path: Path, weights: Any) -> None:
    path = tmp_path / "predictor.json"
    save_predictor(path, weights, {"horizon_s": 1.0})
    assert load_predictor(path).tobytes() == weights.tobytes()
    content = json.loads(path.read_text())
    for change, said in (
        ({"format": 9}, "was not written by"),
        ({"feature_table": []}, "features that have changed"),
        ({"weights": [[1.0, 2.0]]}, "columns"),
        ({"weights": None}, "shape"),
    ):
        path.write_text(json.dumps({**content, **change}))
        with pytest.raises(PredictorError, match=said):
            load_predictor(path)
    with pytest.raises(PredictorError, match="train_predictor"):
        load_predictor(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match="columns"):
        TaskConfig(predictor=[[1.0]])


def test_the_script_trains_compares_and_saves(tmp_path: Path) -> None:
    path = tmp_path / "predictor.json"
    command = [sys.executable, str(ROOT / "scripts" / "train_predictor.py"), "--json"]
    command += ["--save-path", str(path), "--markets", "8", "--test-markets", "4"]
    command += ["--task", "episode_steps=100", "--n-epochs", "2", "--horizon", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    horizons = json.loads(done.stdout)["horizons"]
    assert set(horizons) == {"1", "5"}
    assert set(horizons["5"]["network"]) == {"log_loss", "accuracy", "auc", "r2"}
    assert json.loads(path.read_text())["horizon_s"] == 5.0
    assert load_predictor(path).shape == (16, len(PREDICTOR_INPUTS) + 2)
