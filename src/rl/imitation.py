"""A start by imitation: a network first learns what a plain market maker would do, then improves.

PPO from nothing meets tight quotes that lose money before it has learned to lean against its
position, and flees to wide ones. A clone of the skew maker starts where leaning is known. Its
labels are soft: sizes and offsets beside the teacher's stay likely enough to be tried.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.ppo import split_log_softmax
from rl.recipe import Recipe
from strategies.actions import (
    DISCRETE,
    HALF_SPREAD_MIN,
    HALF_SPREAD_STEP,
    N_SHIFTS,
    SHIFT_STEP,
    SLACK,
    ActionKind,
    action_kind,
)

Integers = npt.NDArray[np.int64]
LESSON_MARKETS = 256
SLIP_PROBABILITY = 0.15  # of a random quantity instead of the teacher's


@dataclass(frozen=True)
class SkewTeacher:
    """`strategies.skew.SkewMaker` in terms of actions: what a clone starts from.

    half_spread: ticks. skew: ticks for each lot of position. quantity: lots a side.
    """

    half_spread: float = 1.0
    skew: float = 0.3
    quantity: int = 3

    def labels(self, batch: MarketBatch) -> Integers:
        """The action for each market of a batch, (n, 3)."""
        mid_twice, position = batch.histories["mid_twice"], batch.histories["position"]
        kind = action_kind(batch.config.action)
        if kind == ActionKind.RESERVATION:
            lean = (batch.config.skew - self.skew) * position
            first = N_SHIFTS // 2 + np.rint(lean / SHIFT_STEP)
            half = round((self.half_spread - HALF_SPREAD_MIN) / HALF_SPREAD_STEP)
            second = np.full(len(position), half)
        else:
            reservation = 0.5 * mid_twice - self.skew * position
            bid = np.floor(reservation - self.half_spread + SLACK)
            ask = np.ceil(reservation + self.half_spread - SLACK)
            first = ((mid_twice - 1) >> 1) - bid  # from the tightest quotes, as `write_quote`
            second = ask - ((mid_twice + 2) >> 1)
        labels = np.stack([first, second, np.full(len(position), self.quantity - 1)], axis=1)
        within: Integers = np.clip(labels, 0, np.array(DISCRETE[kind]) - 1).astype(np.int64)
        return within


@dataclass(frozen=True)
class Softness:
    """How much of the clone's probability lies beside the teacher's choice.

    offset_decay: the probability falls by exp(-this) for each step away. quantity_sd: lots.
    """

    offset_decay: float = 2.5
    quantity_sd: float = 2.0

    def targets(self, labels: Integers, sizes: Integers) -> list[torch.Tensor]:
        """A distribution around each label: one tensor (n, choices) for each part."""
        parts = []
        for part, size in enumerate(sizes.tolist()):
            away = np.abs(np.arange(size)[None, :] - labels[:, part : part + 1])
            is_quantity = part == len(sizes) - 1
            fall = 0.5 * (away / self.quantity_sd) ** 2 if is_quantity else away * self.offset_decay
            weights = np.exp(-fall)
            parts.append((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
        return [torch.from_numpy(part) for part in parts]


def lessons(
    batch: MarketBatch, teacher: SkewTeacher, n_steps: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], Integers]:
    """Let the teacher play for n_steps; what it saw (n, n_features) and would have done (n, 3).

    Now and then something else is played, so that the clone also learns what to do after a mistake.
    """
    observations, labels = [], []
    seen = batch.reset()
    sizes = np.array(DISCRETE[action_kind(batch.config.action)])
    for _ in range(n_steps):
        wanted = teacher.labels(batch)
        observations.append(seen.copy())
        labels.append(wanted)
        played = wanted + random.integers(-1, 2, wanted.shape) * (random.random(wanted.shape) < 0.1)
        slips = random.random(len(wanted)) < SLIP_PROBABILITY
        played[slips, -1] = random.integers(0, sizes[-1], int(slips.sum()))
        seen, _, ended = batch.step(np.clip(played, 0, sizes - 1))
        if ended.any():
            seen = batch.reset(ended)
    return np.concatenate(observations), np.concatenate(labels)


def can_imitate(task: TaskConfig) -> bool:
    """Whether the teacher's quotes can be said in the task's actions: not in those of a box."""
    return action_kind(task.action) in DISCRETE


def imitate(
    actor: torch.nn.Module, space: Any, task: TaskConfig, recipe: Recipe, first_seed: int
) -> float:
    """Let an action network learn the recipe's teacher; see `clone`. first_seed: of the lessons' markets."""
    teacher = SkewTeacher(recipe.teacher_half_spread, recipe.teacher_skew, recipe.teacher_quantity)
    batch = MarketBatch(LESSON_MARKETS, task, range(first_seed, first_seed + LESSON_MARKETS))
    random = np.random.default_rng(recipe.seed)
    seen, wanted = lessons(batch, teacher, recipe.lesson_steps, random)
    return clone(actor, space, seen, wanted, softness=Softness())


def clone(
    actor: torch.nn.Module,
    space: Any,
    observations: npt.NDArray[np.float32],
    labels: Integers,
    *,
    softness: Softness,
    n_epochs: int = 4,
    batch_size: int = 2_048,
    learning_rate: float = 1e-3,
) -> float:
    """Fit an action network to the labels, (n, parts); returns the last cross-entropy.

    actor: from observations (n, n_features) to the logits of all parts of `space`, a MultiDiscrete,
    side by side.
    """
    targets = softness.targets(labels, space.nvec)
    optimizer = torch.optim.Adam(actor.parameters(), lr=learning_rate, fused=True)
    inputs = torch.from_numpy(observations)
    loss = torch.zeros(())
    for _ in range(n_epochs):
        for rows in torch.split(torch.randperm(len(inputs)), batch_size):
            parts = split_log_softmax(actor(inputs[rows]), space)
            fits = [
                (target[rows] * part).sum(dim=1).mean()
                for target, part in zip(targets, parts, strict=True)
            ]
            loss = -torch.stack(fits).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return loss.item()
