"""Training: reproducible, resumable, interruptible, and what is saved acts as what was trained."""

# ruff: noqa: E402 - the libraries of the extra may be absent
import importlib.util
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra rl")
pytest.importorskip("stable_baselines3", reason="training needs the extra rl")
onnx = pytest.importorskip("onnx", reason="export needs the extra rl")

from stable_baselines3 import PPO

from rl.batch import MarketBatch
from rl.bootstrap import in_words
from rl.config import ConfigError, TaskConfig
from rl.evaluate import evaluate, greedy
from rl.export import as_policy
from rl.imitation import SkewTeacher
from rl.recipe import ALGORITHMS, TASKS, Recipe, RecipeError, read_config, with_settings
from rl.scores import Scores, paired
from rl.train import Run, card_of
from strategies.policy import Policy, load_policy

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import train_rl

TASK = TASKS["tuned"].change(episode_steps=50)
TINY = Recipe(
    timesteps=1_024,
    n_envs=8,
    n_steps=32,
    batch_size=128,
    n_epochs=2,
    hidden=(16, 16),
    lesson_steps=4,
    validation_seeds=4,
    validations=2,
)


def trained(recipe: Recipe = TINY, task: TaskConfig = TASK, **options: Any) -> Run:
    run = Run(task, recipe, shown=False, **options)
    run.learn()
    return run


@pytest.fixture(scope="module")
def run() -> Run:
    return trained()


def weights(run: Run) -> bytes:
    return b"".join(value.numpy().tobytes() for value in run.model.policy.state_dict().values())


def seen_by(run: Run) -> Any:
    """Observations of some steps of real markets."""
    batch = MarketBatch(32, run.task)
    rows = [batch.reset().copy()]
    for _ in range(20):
        rows.append(batch.step(np.zeros((32, 3)))[0].copy())
    return np.concatenate(rows)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(run: Run) -> None:
    assert weights(trained()) == weights(run)
    assert weights(trained(with_settings(TINY, {"seed": 1}))) != weights(run)


def test_training_changes_the_policy(run: Run) -> None:
    untrained = Run(TASK, TINY, shown=False)
    assert weights(untrained) != weights(run)
    assert run.model.num_timesteps == TINY.timesteps


@pytest.mark.parametrize("ending", [".zip", ".onnx"])
def test_a_saved_policy_acts_as_the_model_that_was_trained(
    run: Run, tmp_path: Path, ending: str
) -> None:
    if ending == ".onnx":
        pytest.importorskip("onnxruntime", reason="an .onnx policy needs the extra serve")
    run.save(tmp_path / "agent", {"test": {}})
    policy = load_policy(tmp_path / f"agent{ending}")
    seen = seen_by(run)
    wanted, _ = run.model.predict(seen, deterministic=True)
    assert np.array_equal(np.stack([policy.act(row) for row in seen]), wanted)
    assert np.array_equal(greedy(policy)(seen), wanted)
    assert policy.card["task"] == TASK.as_dict()
    assert policy.card["training"]["recipe"]["seed"] == 0


def test_a_saved_policy_is_a_stable_baselines_file(run: Run, tmp_path: Path) -> None:
    path, _ = run.save(tmp_path / "agent.zip")
    seen = seen_by(run)
    loaded = PPO.load(path, device="cpu")
    wanted, _ = run.model.predict(seen, deterministic=True)
    assert np.array_equal(loaded.predict(seen, deterministic=True)[0], wanted)


def test_training_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    path, _ = run.save(tmp_path / "agent")
    other = replace(TINY, gamma=0.5, hidden=(8,), seed=9)  # not those that the file goes on with
    again = Run(TASK, other, resume=path, shown=False)
    assert again.recipe == TINY
    assert weights(again) == weights(run)
    again.learn()
    judged = [row["timesteps"] for row in again.validation.history]
    assert judged[0] == TINY.timesteps, "what was there already is a candidate for the best"
    assert again.model.num_timesteps == 2 * TINY.timesteps


def test_resuming_another_task_is_refused(run: Run, tmp_path: Path) -> None:
    path, _ = run.save(tmp_path / "agent")
    with pytest.raises(RecipeError, match="does not continue this task"):
        Run(TASK.change(features="default"), TINY, resume=path, shown=False)
    with pytest.raises(RecipeError, match="nothing to resume"):
        Run(TASK, TINY, resume=tmp_path / "nowhere.zip", shown=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_training_early_and_what_was_learned_is_kept(
    tmp_path: Path, number: signal.Signals
) -> None:
    run = Run(TASK, with_settings(TINY, {"timesteps": 4_096, "validations": 16}), shown=False)
    judge = run.judge

    def interrupted_judge(policy: Policy) -> Scores:
        if not run.validation.history:
            signal.raise_signal(number)
        return judge(policy)

    run.validation._judge = interrupted_judge
    before = signal.getsignal(number)
    run.learn()
    assert signal.getsignal(number) is before
    assert run.interrupted
    assert run.model.num_timesteps < 4_096
    path, _ = run.save(tmp_path / "agent")
    assert load_policy(path).card["training"]["interrupted"] is True


def test_the_best_weights_of_a_run_are_kept() -> None:
    run = Run(TASK, TINY, shown=False)
    rewards = iter([9.0, 5.0])
    kept: list[bytes] = []

    def judge(policy: Policy) -> Scores:
        kept.append(policy.network.parameters.tobytes())
        value = np.full(4, next(rewards))
        return Scores(np.arange(4), value, value, value)

    run.validation._judge = judge
    run.learn()
    assert len(set(kept)) == 2
    assert run.policy().network.parameters.tobytes() == kept[0]


def test_a_clone_does_what_its_teacher_does() -> None:
    run = Run(TASK, with_settings(TINY, {"lesson_steps": 250, "hidden": "64,64"}), shown=False)
    run.imitate()
    teacher = SkewTeacher(TINY.teacher_half_spread, TINY.teacher_skew, TINY.teacher_quantity)
    batch = MarketBatch(64, run.task, range(5_000, 5_064))
    seen = batch.reset()
    agreed = []
    for _ in range(40):
        wanted = teacher.labels(batch)
        agreed.append((greedy(as_policy(run.model, card_of(TASK, TINY)))(seen) == wanted).all(1))
        seen, _, _ = batch.step(wanted)
    assert np.mean(agreed) > 0.8  # of whole actions; by chance one of a thousand


def test_a_box_of_actions_is_learned_from_nothing() -> None:
    run = Run(TASK.change(action="box"), TINY, shown=False)
    assert TINY.imitate
    before = weights(run)
    run.learn()
    assert weights(run) != before


@pytest.mark.parametrize("action", ["multi_discrete", "reservation"])
def test_the_teacher_is_the_skew_maker_in_either_kind_of_action(action: str) -> None:
    task = TASK.change(action=action, skew=0.3, position_max=50, latency_steps=1)
    batch = MarketBatch(64, task)
    batch.reset()
    for i in range(30):
        mid = batch.histories["mid_twice"] / 2
        reservation = mid - 0.3 * batch.histories["position"]
        others_bid = batch.histories["bid_price"].copy()
        others_ask = batch.histories["ask_price"].copy()
        batch.step(SkewTeacher(1.0, 0.3, 3).labels(batch))
        quote = batch.episodes["waiting"][:, i % 2]  # until the next step
        bid = np.minimum(np.floor(reservation - 1 + 1e-9), others_ask - 1)
        ask = np.maximum(np.ceil(reservation + 1 - 1e-9), others_bid + 1)
        if action == "multi_discrete":  # which stays on its own side of the mid
            bid = np.minimum(bid, np.ceil(mid) - 1)
            ask = np.maximum(ask, np.floor(mid) + 1)
        assert np.array_equal(quote["bid_price"], bid)
        assert np.array_equal(quote["ask_price"], ask)
        assert set(quote["bid_quantity"].tolist()) == {3}


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "ppo"])
def test_every_algorithm_trains_and_is_exported(algorithm: str, tmp_path: Path) -> None:
    recipe = with_settings(TINY, {"algorithm": algorithm, "timesteps": 320, "validations": 1})
    run = trained(recipe, TASK.change(features="default"))
    path, _ = run.save(tmp_path / "agent")
    policy = load_policy(path)
    seen = seen_by(run)
    wanted, _ = run.model.predict(seen, deterministic=True)
    acted = np.stack([policy.act(row) for row in seen])
    if algorithm == "dqn":
        wanted = np.stack(np.unravel_index(wanted, policy.card["output"]["sizes"]), axis=1)
    assert np.allclose(acted, wanted, atol=1e-5)
    assert len(evaluate(policy, run.task, range(3)).pnl) == 3


def test_settings_that_cannot_be_are_refused_by_name() -> None:
    for settings, said in (
        ({"algorithm": "alphago"}, "algorithm 'alphago' is none of ppo"),
        ({"gamma": "2"}, "gamma lies within 0 .. 1"),
        ({"n_epochs": "two"}, "n_epochs is int"),
        ({"speed": "9"}, "no training setting 'speed'"),
        ({"hidden": "0"}, "hidden layers"),
        ({"timesteps": 0}, "timesteps lies within 1 .. 1e"),
    ):
        with pytest.raises(RecipeError, match=said.replace("(", r"\(")):
            with_settings(TINY, settings)


def test_a_config_file_changes_task_and_training(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"task": {"market": "thin"}, "training": {"gamma": 0.9}}))
    task, recipe = read_config(path, "tuned")
    assert (task.market, recipe.gamma) == ("thin", 0.9)
    assert task.features == "extended"
    path.write_text("[]")
    with pytest.raises(RecipeError, match="is not of the form"):
        read_config(path, "tuned")


def test_paired_differences_need_the_same_seeds_and_find_a_better_policy() -> None:
    random = np.random.default_rng(1)
    pnl = random.normal(50, 40, 400)
    worse = Scores(np.arange(400), pnl, pnl, np.ones(400))
    better = Scores(np.arange(400), pnl + random.normal(5, 10, 400), pnl + 5, np.ones(400))
    found = paired(better, worse)
    assert 0 < found["pnl"]["low"] < 5 < found["pnl"]["high"]
    assert found["sharpe"]["mean"] == pytest.approx(better.sharpe - worse.sharpe)
    with pytest.raises(ValueError, match="same seeds"):
        paired(better, Scores(np.arange(1, 401), pnl, pnl, pnl))


def test_a_policy_that_never_trades_has_no_sharpe_and_can_still_be_searched_for() -> None:
    idle = Scores(np.arange(9), np.zeros(9), np.zeros(9), np.zeros(9))
    assert idle.report()["sharpe"] == {"mean": None, "low": None, "high": None}
    assert paired(idle, idle)["sharpe"]["mean"] is None
    assert (idle.sharpe, idle.summary()["sharpe"]) == (0, 0)
    assert in_words(idle.report()["sharpe"]) == "-"


def test_a_score_that_nothing_predicts_is_not_trained_on() -> None:
    with pytest.raises(ConfigError, match="always 0 without a predictor"):
        Run(TASK.change(features="default+predictor"), TINY, shown=False)


def test_the_script_trains_saves_and_reports(tmp_path: Path) -> None:
    settings = {"training": {**TINY.as_dict(), "validations": 1}, "task": {"episode_steps": 50}}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    command = [sys.executable, str(ROOT / "scripts" / "train_rl.py"), "--episodes", "6"]
    command += ["--config", str(tmp_path / "run.json"), "--save-path", str(tmp_path / "agent")]
    command += ["--seeds", "0,1", "--test-seeds", "5", "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    result = json.loads(done.stdout)
    assert [row["seed"] for row in result["runs"]] == [0, 1]
    assert [row["steps"] for row in result["runs"]] == [512, 512]
    assert "300 decisions are rounded up to whole rollouts: 512" in done.stderr
    assert result["runs"][0]["test"]["n_seeds"] == 5
    best = (tmp_path / f"agent_seed{result['best_seed']}.zip").read_bytes()
    assert (tmp_path / "agent.zip").read_bytes() == best
    assert load_policy(tmp_path / "agent.zip").card["scores"]["test"]["n_seeds"] == 5


def test_ctrl_c_during_the_tests_leaves_the_policy_saved_without_them(tmp_path: Path) -> None:
    settings = {"training": {**TINY.as_dict(), "validations": 0}, "task": {"episode_steps": 10_000}}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    command = [sys.executable, str(ROOT / "scripts" / "train_rl.py"), "--timesteps", "512"]
    command += ["--config", str(tmp_path / "run.json"), "--save-path", str(tmp_path / "agent")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as training:
        while not (tmp_path / "agent.onnx").exists() and training.poll() is None:
            time.sleep(0.05)
        training.send_signal(signal.SIGINT)  # a thousand long tests would go on for a while
        said = training.communicate(timeout=60)[1]
    assert training.returncode == 130, said
    assert "Traceback" not in said
    assert "test" not in load_policy(tmp_path / "agent.zip").card["scores"]


def test_the_script_says_what_is_not_there(tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is not None:
        pytest.skip("Ray is installed: tests/test_rl_rllib.py trains with it")
    command = [sys.executable, str(ROOT / "scripts" / "train_rl.py"), "--library", "rllib"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install -e '.[rllib]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--save-path", "/proc/agent"), "nothing can be written to /proc"),
        (("--seeds", "4-0"), "--seeds '4-0' is neither"),
        (("--set", "seed=7"), "training seeds are given by --seeds"),
        (("--resume", "--set", "gamma=0.5"), "leave out gamma"),
        (("--task", "reward=3"), "wrong type"),
        (("--task", 'predictor="x"'), "predictor: could not convert"),
        (("--task", 'features="default+predictor"'), "always 0 without a predictor"),
        (("--save-path", ""), "'' is a folder"),
        (("--save-path", "."), "'.' is a folder"),
        (("--save-path", ".."), "'..' is a folder"),
        (("--save-path", "/"), "'/' is a folder"),
        (("--save-path", "/tmp"), "'/tmp' is a folder"),
        (("--save-path", "models/"), "'models/' is a folder"),
        (("--tensorboard", __file__), f"nothing can be written to {__file__}"),
        (("--test-seeds", "-4"), "--test-seeds is 0 or 2 .. 1000"),
        (("--test-seeds", "1"), "--test-seeds is 0 or 2 .. 1000"),
        (("--n-envs", "1000000000", "--timesteps", "100"), "n_envs lies within 1 .. 10000"),
    ],
)
def test_what_would_be_found_out_too_late_or_ignored_is_refused(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "train_rl.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_shipped_policy_is_replaced_only_by_name_and_the_script_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_rl.parser().parse_args([]).save_path == "models/my_agent"
    assert "rl_mm_agent" not in train_rl.parser().format_help()
    assert not train_rl.is_shipped(ROOT / "models" / "my_agent")
    assert train_rl.is_shipped(ROOT / "models" / "rl_mm_agent.zip")
    monkeypatch.setattr(train_rl, "SHIPPED_POLICY", tmp_path / "rl_mm_agent.zip")
    words = ["--save-path", str(tmp_path / "rl_mm_agent"), "--algorithm", "dqn"]
    monkeypatch.setattr(sys, "argv", ["train_rl.py", *words, "--task", "action=box"])
    assert train_rl.main() == 2, "dqn has no box: refused after the warning"
    warning, _ = capsys.readouterr().err.splitlines()
    assert warning.endswith("will be replaced: git checkout brings it back")
