"""Training by RLlib: one Ray session in a process of its own, read here from its files and figures."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="RLlib needs the extra rllib")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rllib")


@pytest.fixture(scope="module")
def story(folder: Path) -> Any:
    command = [sys.executable, str(ROOT / "tests" / "rllib_story.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1])


def read_in_new_process(code: str, *arguments: str) -> Any:
    """What `code` prints as JSON, in a process that has loaded nothing yet."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT / "tests")
    assert done.returncode == 0, done.stderr[-3_000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_learns_and_reports_money_worth_and_inventory(story: Any) -> None:
    ppo = story["ppo"]
    assert ppo["steps"] >= 1_024
    assert ppo["moved"] > 1e-4
    reported = ppo["reported"]
    capital = reported["final_worth"] - reported["pnl"]
    assert capital == pytest.approx(1 * 10_000, rel=0.01)  # lots times ticks
    assert reported["pnl_pct"] == pytest.approx(100 * reported["pnl"] / capital, rel=0.01)
    assert 0 <= reported["inventory"] <= 1
    assert ppo["seeds"] == [10_000_000 + row for row in range(8)]


@pytest.mark.parametrize("ending", [".zip", ".onnx"])
def test_an_exported_policy_acts_as_the_module_and_loads_neither_ray_nor_torch(
    story: Any, folder: Path, ending: str
) -> None:
    seen = folder / f"seen{ending}.npy"
    read_in_new_process(SAVE_OBSERVATIONS, str(seen))
    found = read_in_new_process(ACT_ALONE, str(folder / f"agent{ending}"), str(seen))
    assert found["foreign"] == []
    logits = np.array(story["ppo"]["logits"])
    assert np.allclose(found["logits"], logits, atol=1e-5)
    parts = np.split(logits, [11, 22], axis=1)
    assert found["actions"] == np.stack([part.argmax(1) for part in parts], axis=1).tolist()
    assert found["strategy"] == "RLMarketMaker"
    assert found["library"] == "rllib"


def test_a_checkpoint_is_read_without_an_algorithm_or_a_cluster(story: Any, folder: Path) -> None:
    seen = folder / "seen.npy"
    read_in_new_process(SAVE_OBSERVATIONS, str(seen))
    found = read_in_new_process(READ_CHECKPOINT, str(folder / "agent.rllib"), str(seen))
    assert found["initialized"] is False
    assert np.isfinite(found["logits"]).all()


def test_training_goes_on_from_the_checkpoint_and_not_for_another_task(story: Any) -> None:
    assert np.allclose(story["resumed"]["logits"], story["ppo"]["logits"], atol=1e-6)
    assert story["resumed"]["steps"] >= story["ppo"]["steps"] + 1_024
    assert story["resumed"]["keeps_settings"]
    assert story["resumed"]["judged_first"], "what was there already is a candidate for the best"
    assert "does not continue this task: its features differ" in story["refusal"]


def test_a_run_starts_from_a_clone_of_the_teacher_and_samples_with_it(story: Any) -> None:
    clone = story["clone"]
    assert np.allclose(clone["sampling"], clone["learner"], atol=1e-6)
    assert clone["agreed"] > 0.3 > 10 * clone["agreed_before"]


def test_an_interrupt_ends_training_and_what_was_learned_is_saved(story: Any) -> None:
    assert story["interrupted"] is True
    assert story["n_scores"] == 4
    assert story["impala_moved"] > 1e-4  # the learner's weights, not the untrained runner's
    assert all(Path(file).exists() for file in story["impala"])


def test_an_algorithm_that_rllib_lacks_here_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "train_rl.py"), "--library", "rllib"]
    command += ["--algorithm", "dqn", "--save-path", str(tmp_path / "agent")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "RLlib trains ppo, appo, impala here" in done.stderr
    assert "Traceback" not in done.stderr


SAVE_OBSERVATIONS = """
import json, sys, numpy as np, rllib_story
np.save(sys.argv[1], rllib_story.observations())
print(json.dumps(True))
"""

ACT_ALONE = """
import json, sys, numpy as np
from strategies.policy import load_policy
from strategies.rl_mm import RLMarketMaker
policy, seen = load_policy(sys.argv[1]), np.load(sys.argv[2])
print(json.dumps({
    "logits": [policy.network(row).tolist() for row in seen],
    "actions": [policy.act(row).tolist() for row in seen],
    "strategy": type(RLMarketMaker(model_path=sys.argv[1])).__name__,
    "library": policy.card["training"]["library"],
    "foreign": [name for name in ("ray", "torch", "stable_baselines3") if name in sys.modules],
}))
"""

READ_CHECKPOINT = """
import json, sys, numpy as np, ray
from rl.rllib_export import load_checkpoint
policy, seen = load_checkpoint(sys.argv[1]), np.load(sys.argv[2])
print(json.dumps({
    "logits": [policy.network(row).tolist() for row in seen],
    "initialized": ray.is_initialized(),
}))
"""
