"""A trained policy as a strategy: the quotes of its training, and clear refusals."""

import json
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange.simulation.presets import new_simulated_markets
from market_kit import state
from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.evaluate import greedy
from strategies.backtest import Entrant, run_backtest
from strategies.network import MlpNetwork
from strategies.policy import CARD_NAME, WEIGHTS_NAME, PolicyError, load_policy
from strategies.registry import StrategyError, new_strategy
from strategies.rl_mm import SHIPPED_POLICY, RLMarketMaker

N_STEPS = 400
SHIPPED = SHIPPED_POLICY.with_suffix(".zip")
ONNX = SHIPPED_POLICY.with_suffix(".onnx")


def environment(path: Path, seed: int, n_steps: int, unit_lots: int) -> MarketBatch:
    """One episode of the training environment under the greedy policy."""
    policy = load_policy(path)
    task = TaskConfig.from_dict(policy.card["task"])
    task = task.change(episode_steps=n_steps, unit_lots=unit_lots)
    batch = MarketBatch(1, task, [seed])
    seen, act = batch.reset(), greedy(policy)
    for _ in range(n_steps):
        seen, _, _ = batch.step(act(seen))
    return batch


@pytest.mark.parametrize(("seed", "unit_lots"), [(1, 1), (2, 5), (300_000, 1)])
def test_the_backtest_and_the_training_environment_end_in_the_same_market(
    seed: int, unit_lots: int
) -> None:
    markets = new_simulated_markets(1, [seed])
    maker = RLMarketMaker(model_path=str(SHIPPED), unit_lots=unit_lots)
    (trader,) = run_backtest(markets, [Entrant(maker, 4)], N_STEPS)
    batch = environment(SHIPPED, seed, N_STEPS, unit_lots)
    assert batch.episodes["position_max"][0] == unit_lots
    assert len(trader.fills) > 5, f"seed {seed}: too few fills to say anything"
    assert state(markets[0]) == state(batch.markets[0])


def test_the_zip_and_the_onnx_file_trade_alike() -> None:
    pytest.importorskip("onnxruntime", reason="an .onnx policy needs the extra serve")

    def fills(path: Path) -> Any:
        markets = new_simulated_markets(1, [7])
        entrant = Entrant(RLMarketMaker(client_id="a", model_path=str(path)), 4)
        return run_backtest(markets, [entrant], N_STEPS)[0].fills.array()

    assert fills(SHIPPED).tobytes() == fills(ONNX).tobytes()


def test_one_observation_gives_the_same_bytes_alone_and_in_a_batch() -> None:
    random = np.random.default_rng(3)
    shapes = [(35, 64), (64,), (64, 64), (64,), (64, 32), (32,)]
    layers = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
    for activation in ("relu", "tanh"):
        network = MlpNetwork(layers, activation)
        rows = random.standard_normal((50, 35)).astype(np.float32)
        alone = np.stack([network(row) for row in rows])
        assert network.batch(rows).tobytes() == alone.tobytes()
        bend = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh}[activation]
        hidden = bend(bend(rows @ layers[0] + layers[1]) @ layers[2] + layers[3])
        assert np.allclose(alone, hidden @ layers[4] + layers[5], rtol=1e-3, atol=1e-3)


def test_it_is_made_by_name_with_a_model_path() -> None:
    strategy = new_strategy("rl", [f"model_path={SHIPPED}", "client_id=me"])
    assert isinstance(strategy, RLMarketMaker)
    assert strategy.client_id == "me"


@pytest.mark.parametrize("unit_lots", [-1, 1_001])
def test_a_unit_that_cannot_be_is_refused(unit_lots: int) -> None:
    with pytest.raises(StrategyError, match=r"unit_lots is 0 \.\. 1000 lots"):
        new_strategy("rl", [f"unit_lots={unit_lots}"])


def test_trading_imports_no_learning_library() -> None:
    program = (
        "import sys\n"
        "from strategies.rl_mm import RLMarketMaker\n"
        f"RLMarketMaker(model_path={str(SHIPPED)!r})\n"
        "loaded = {'torch', 'stable_baselines3', 'gymnasium', 'onnx'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match=r"no policy file .*nowhere\.zip.*train_rl"):
        new_strategy("rl", [f"model_path={tmp_path / 'nowhere.zip'}"])
    with pytest.raises(PolicyError, match=r"a policy is a \.zip or an \.onnx file"):
        load_policy(Path(__file__))


def test_the_ending_may_be_left_out() -> None:
    assert load_policy(SHIPPED.with_suffix("")).card == load_policy(SHIPPED).card


@pytest.mark.parametrize("ending", [".zip", ".onnx"])
def test_a_foreign_file_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"foreign{ending}"
    path.write_bytes(b"not a policy at all")
    if ending == ".onnx":
        pytest.importorskip("onnxruntime", reason="an .onnx policy needs the extra serve")
    with pytest.raises(PolicyError, match=r"is no (policy|ONNX file)"):
        load_policy(path)


def test_somebody_elses_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", "{}")
    with pytest.raises(PolicyError, match=r"was not written by scripts/train_rl\.py"):
        load_policy(path)


def changed(path: Path, change: Any) -> Path:
    """A copy of the shipped policy with another card."""
    with zipfile.ZipFile(SHIPPED) as source, zipfile.ZipFile(path, "w") as target:
        card = json.loads(source.read(CARD_NAME))
        change(card)
        target.writestr(CARD_NAME, json.dumps(card))
        target.writestr(WEIGHTS_NAME, source.read(WEIGHTS_NAME))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.update(format=99), "has format 99"),
        (lambda card: card.pop("task"), "its card lacks"),
        (lambda card: card.update(features="psychic"), "unknown features 'psychic'"),
        (lambda card: card["feature_table"][0].__setitem__(1, 9.0), "features that have changed"),
        (lambda card: card["output"]["sizes"].append(2), "its card says"),
        (lambda card: card["task"].update(action="shout"), "unknown action 'shout'"),
        (lambda card: card["task"].pop("skew"), "the task on its card"),
        (lambda card: card.update(activation="step"), "activation 'step'"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    path = changed(tmp_path / "changed.zip", change)
    with pytest.raises(StrategyError, match=said):
        new_strategy("rl", [f"model_path={path}"])


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.zip"
    with zipfile.ZipFile(SHIPPED) as source, zipfile.ZipFile(path, "w") as target:
        target.writestr(CARD_NAME, source.read(CARD_NAME))
        target.writestr(WEIGHTS_NAME, source.read(WEIGHTS_NAME)[:1_000])
    with pytest.raises(PolicyError, match=WEIGHTS_NAME):
        load_policy(path)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "astray.zip"
    with zipfile.ZipFile(SHIPPED) as source, zipfile.ZipFile(path, "w") as target:
        with np.load(BytesIO(source.read(WEIGHTS_NAME))) as stored:
            layers = {name: np.full_like(stored[name], np.nan) for name in stored.files}
        content = BytesIO()
        np.savez(content, **layers)  # type: ignore[arg-type]
        target.writestr(CARD_NAME, source.read(CARD_NAME))
        target.writestr(WEIGHTS_NAME, content.getvalue())
    with pytest.raises(PolicyError, match="not all finite"):
        load_policy(path)


def test_the_shipped_policy_leans_against_its_position() -> None:
    """Long, it asks for less or bids for less than when short: the trap of learned makers."""
    policy = load_policy(SHIPPED)
    names = policy.features
    batch = MarketBatch(128, TaskConfig.from_dict(policy.card["task"]))
    seen = batch.reset().copy()
    leans = []
    for lots in (-3, 3):
        rows = seen.copy()
        rows[:, names.index("position")] = 0.4 * lots
        rows[:, names.index("inventory")] = np.sign(lots) * 5 * (abs(lots) / 50) ** 0.5
        offsets = greedy(policy)(rows)
        leans.append((offsets[:, 0] - offsets[:, 1]).mean())  # how much further off the bid is
    assert leans[1] > leans[0] + 0.5


def test_before_the_first_decision_all_is_compiled() -> None:
    """In a process of its own: compiling, or loading, would hold up the connection."""
    lines = (
        "from make_view import make_view; from strategies.rl_mm import RLMarketMaker",
        "from strategies.actions import write_quotes; from strategies.features import observe_rows",
        "maker = RLMarketMaker(); before = [len(k.signatures) for k in (observe_rows, write_quotes)]",
        "maker.decide(make_view())",
        "print(before, [len(k.signatures) for k in (observe_rows, write_quotes)])",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )
    assert done.stdout == "[1, 1] [1, 1]\n"
