"""One Ray session, told as JSON: train, save, resume, interrupt. `test_rl_rllib.py` runs and reads it.

A process of its own, since Ray leaves sockets and warnings behind that are not ours.
"""

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rl.batch import MarketBatch
from rl.evaluate import greedy
from rl.imitation import SkewTeacher
from rl.recipe import TASKS, Recipe, RecipeError
from rl.rllib_export import module_policy
from rl.rllib_train import RllibRun
from rl.scores import Scores

TASK = TASKS["tuned"].change(episode_steps=30)
TINY = Recipe(
    timesteps=1_024,
    n_envs=8,
    n_steps=32,
    batch_size=128,
    n_epochs=2,
    hidden=(16, 16),
    validation_seeds=4,
    validations=2,
    imitate=False,
)


def main(folder: Path) -> None:
    """Write all figures to standard output."""
    told = {"ppo": trained(folder), **resumed(folder), **interrupted(folder)}
    print(json.dumps({**told, "clone": cloned(folder)}))


def trained(folder: Path) -> dict[str, Any]:
    """PPO, saved; what its module answers to observations that a test can make again."""
    run = RllibRun(TASK, TINY, folder / "agent.rllib", shown=False)
    before = logits(run)
    run.learn()
    run.history.clear()
    run._best = None
    run.validate()  # the last weights are saved, to be compared with the module
    files = run.save(folder / "agent")
    after = logits(run)
    seeds = run.algorithm.env_runner.env.unwrapped.batch.seeds.tolist()
    figures = run.algorithm.train()["env_runners"]
    run.close()
    return {
        "files": [str(file) for file in files],
        "steps": run.n_steps,
        "logits": after.tolist(),
        "moved": float(np.abs(after - before).max()),
        "seeds": seeds,
        "reported": {
            name: float(figures[name]) for name in ("pnl", "pnl_pct", "final_worth", "inventory")
        },
    }


def resumed(folder: Path) -> dict[str, Any]:
    """The same run taken up again, and refused for another task."""
    other = replace(
        TINY, gamma=0.5, hidden=(8,), seed=9
    )  # not those that the checkpoint goes on with
    run = RllibRun(TASK, other, folder / "agent.rllib", resume=True, shown=False)
    first, keeps_settings = logits(run), run.recipe == TINY
    n_before = run.n_steps
    run.learn()
    run.close()
    try:
        task = TASK.change(features="default")
        RllibRun(task, TINY, folder / "agent.rllib", resume=True, shown=False)
    except RecipeError as error:
        refusal = str(error)
    told = {
        "logits": first.tolist(),
        "steps": run.n_steps,
        "keeps_settings": keeps_settings,
        "judged_first": run.history[0]["timesteps"] == n_before,
    }
    return {"resumed": told, "refusal": refusal}


def interrupted(folder: Path) -> dict[str, Any]:
    """IMPALA, and Ctrl-C while it learns."""
    recipe = Recipe(**{**TINY.as_dict(), "algorithm": "impala", "hidden": (16, 16)})
    run = RllibRun(TASK, recipe, folder / "impala.rllib", shown=False)
    train, before = run.algorithm.train, logits(run)

    def train_and_interrupt() -> Any:
        result = train()
        if not result.get("num_env_steps_sampled_lifetime", 0) > 512:
            return result
        signal.raise_signal(signal.SIGINT)
        return result

    run.algorithm.train = train_and_interrupt
    scores: Scores = run.learn()
    files = run.save(folder / "impala")
    moved = float(np.abs(run.policy().network.batch(observations()) - before).max())
    run.close()
    return {
        "interrupted": run.interrupted,
        "n_scores": len(scores.pnl),
        "impala_moved": moved,
        "impala": [str(file) for file in files],
    }


def cloned(folder: Path) -> dict[str, Any]:
    """What the sampling module and the learner answer after the start by imitation."""
    run = RllibRun(TASK, replace(TINY, lesson_steps=120), folder / "clone.rllib", shown=False)
    before = agreement(run)
    run.imitate()
    sampling = answers(run.algorithm.get_module())
    found = {"sampling": sampling.tolist(), "learner": logits(run).tolist()}
    agreed = agreement(run)
    run.close()
    return {**found, "agreed_before": before, "agreed": agreed}


def agreement(run: RllibRun) -> float:
    """How often the greedy policy chooses both offsets as the teacher does."""
    batch = MarketBatch(32, TASK, range(5_000, 5_032))
    teacher = SkewTeacher(TINY.teacher_half_spread, TINY.teacher_skew, TINY.teacher_quantity)
    seen, agreed = batch.reset(), []
    for _ in range(20):
        wanted = teacher.labels(batch)
        agreed.append((greedy(module_policy(run.module(), run.card()))(seen) == wanted)[:, :2])
        seen, _, _ = batch.step(wanted)
    return float(np.mean(agreed))


def observations() -> Any:
    """What 16 markets show after some steps: the same whenever it is called."""
    batch = MarketBatch(16, TASK)
    batch.reset()
    for _ in range(5):
        seen, _, _ = batch.step(np.zeros((16, 3)))
    return seen


def logits(run: RllibRun) -> Any:
    """The module's own answer to them."""
    return answers(run.module())


def answers(module: Any) -> Any:
    """Logits for the observations."""
    with torch.no_grad():
        outputs = module.forward_inference({"obs": torch.from_numpy(observations())})
    return outputs["action_dist_inputs"].numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
