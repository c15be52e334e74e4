"""Where the mid will be in a second or five: a small network over the market features.

Its output is the feature `score` (`strategies.observe.write_score` evaluates it inside the compiled
batch): the expected change of the mid in ticks. A linear model of order flow explains much of
such changes (Cont, Kukanov and Stoikov, "The Price Impact of Order Book Events", 2014); the network
is held against one, against a logistic regression, and against a constant, on seeds that none has seen.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rl.baselines import quoter
from rl.batch import MarketBatch
from rl.bootstrap import mean_interval
from rl.config import TaskConfig
from strategies.features import PREDICTOR_INPUTS, check_predictor
from strategies.policy import feature_table
from strategies.skew import SkewMaker

Floats = npt.NDArray[np.float64]
FORMAT = 1
ROWS_MAX = 256  # markets at once
MAKER = SkewMaker(quantity=1)  # somebody quotes while the data is taken, as when it is used
MOVE_MAX = 10.0  # ticks: a jump beyond it counts as this in the fit
LOGISTIC_STEPS, LOGISTIC_WEIGHT_DECAY = 60, 1e-5
PROBABILITY_MIN = 1e-6


class PredictorError(ValueError):
    """A predictor's file that is none, or does not fit this version."""


@dataclass(frozen=True)
class Sessions:
    """What m markets showed at t decisions, and where their mids went."""

    inputs: npt.NDArray[np.float32]  # (m, t, n_inputs)
    moves: Floats  # ticks within the horizon after each, (m, t)


@dataclass(frozen=True)
class Fit:
    """How the network is fitted."""

    n_hidden: int = 16
    n_epochs: int = 20
    batch_size: int = 4_096
    learning_rate: float = 1e-2  # falling linearly
    direction_weight: float = 0.3  # of the direction's log loss beside the squared error in ticks
    seed: int = 0


def sessions(task: TaskConfig, seeds: Sequence[int], horizon_steps: int) -> Sessions:
    """One episode a seed; decisions whose horizon ends after the episode are left out."""
    task = task.change(features="market", predictor=())
    parts = [
        _episodes(task, seeds[first : first + ROWS_MAX], horizon_steps)
        for first in range(0, len(seeds), ROWS_MAX)
    ]
    return Sessions(
        np.concatenate([part.inputs for part in parts]),
        np.concatenate([part.moves for part in parts]),
    )


def _episodes(task: TaskConfig, seeds: Sequence[int], horizon_steps: int) -> Sessions:
    batch = MarketBatch(len(seeds), task, seeds)
    quotes = quoter(MAKER)
    seen, mids = [batch.reset().copy()], [batch.histories["mid_twice"].copy()]
    for _ in range(task.episode_steps):
        observations, _, _ = batch.step_quotes(quotes(batch))
        seen.append(observations.copy())
        mids.append(batch.histories["mid_twice"].copy())
    inputs, mid = np.stack(seen, axis=1), 0.5 * np.stack(mids, axis=1)
    return Sessions(inputs[:, :-horizon_steps], mid[:, horizon_steps:] - mid[:, :-horizon_steps])


def fit_network(data: Sessions, fit: Fit) -> Floats:
    """Size and direction at once, by Adam; weights (n_hidden, n_inputs + 2) as `write_score` has them.

    Squares alone are ruled by the few large moves, and the network then tells up from down less well
    than a logistic regression does.
    """
    torch.manual_seed(fit.seed)
    torch.set_num_threads(1)
    inputs = torch.from_numpy(data.inputs.reshape(-1, data.inputs.shape[-1]))
    moves = torch.from_numpy(np.clip(data.moves.ravel(), -MOVE_MAX, MOVE_MAX)).float()
    hidden = torch.nn.Linear(inputs.shape[1], fit.n_hidden)
    out = torch.nn.Linear(fit.n_hidden, 1, bias=False)
    steepness = torch.nn.Parameter(torch.ones(()))
    parameters = [*hidden.parameters(), *out.parameters(), steepness]
    optimizer = torch.optim.Adam(parameters, lr=fit.learning_rate)
    n_updates = fit.n_epochs * (len(inputs) // fit.batch_size + 1)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, n_updates)
    for _ in range(fit.n_epochs):
        for rows in torch.split(torch.randperm(len(inputs)), fit.batch_size):
            expected = out(torch.relu(hidden(inputs[rows])))[:, 0]
            loss = (expected - moves[rows]).square().mean()
            loss = loss + fit.direction_weight * direction_loss(expected, moves[rows], steepness)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            falling.step()
    with torch.no_grad():
        columns = [hidden.weight.numpy(), hidden.bias.numpy()[:, None], out.weight.numpy().T]
    return check_predictor(np.concatenate(columns, axis=1).astype(np.float64))


def direction_loss(
    expected: torch.Tensor, moves: torch.Tensor, steepness: torch.Tensor
) -> torch.Tensor:
    """Log loss of the sign, where there was a move; 1e-4 keeps the root's slope finite at 0."""
    moved = moves != 0
    if not moved.any():
        return torch.zeros(())  # the mean of nothing is not a number
    logits = steepness * torch.sign(expected) * torch.sqrt(expected.abs() + 1e-4)
    return torch.nn.functional.binary_cross_entropy_with_logits(
        logits[moved], (moves[moved] > 0).float()
    )


def score(weights: Floats, inputs: npt.NDArray[np.float32]) -> Floats:
    """Expected change of the mid, ticks: inputs (..., n_inputs) -> (...). As `write_score`, uncut."""
    hidden = np.maximum(inputs @ weights[:, :-2].T + weights[:, -2], 0.0)
    scores: Floats = hidden @ weights[:, -1]
    return scores


def signed_root(scores: Floats) -> Floats:
    """sign x root, as one column (n, 1): odds of the direction grow like this, not like ticks."""
    column: Floats = (np.sign(scores) * np.sqrt(np.abs(scores)))[:, None]
    return column


def fit_logistic(inputs: npt.NDArray[Any], up: npt.NDArray[np.bool_]) -> Floats:
    """A logistic regression: coefficients and, last, the constant. inputs (n, k), up (n,)."""
    numbers = torch.from_numpy(with_ones(inputs)).double()
    targets = torch.from_numpy(up).double()
    coefficients = torch.zeros(numbers.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [coefficients], max_iter=LOGISTIC_STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = numbers @ coefficients
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        value = value + LOGISTIC_WEIGHT_DECAY * coefficients.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return np.asarray(coefficients.detach().numpy(), np.float64)


def probability(coefficients: Floats, inputs: npt.NDArray[Any]) -> Floats:
    """Of an upward move, by a logistic regression: inputs (n, k) -> (n,)."""
    chance: Floats = 1 / (1 + np.exp(-(with_ones(inputs) @ coefficients)))
    return np.clip(chance, PROBABILITY_MIN, 1 - PROBABILITY_MIN)


def with_ones(inputs: npt.NDArray[Any]) -> Floats:
    """A column of ones at the end."""
    return np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1).astype(np.float64)


def compare(weights: Floats, train: Sessions, test: Sessions) -> dict[str, Any]:
    """The network, a logistic and a linear regression, and a constant, on the test sessions.

    Direction (of the moments whose mid moves): log loss, accuracy, AUC; size: R2. Each is the mean over
    markets of that market's figure, with a 95% interval over markets.
    """
    flat = train.inputs.reshape(-1, train.inputs.shape[-1])
    moves = train.moves.ravel()
    moved = moves != 0
    up = moves[moved] > 0
    logistic = fit_logistic(flat[moved], up)
    scaling = fit_logistic(signed_root(score(weights, flat)[moved]), up)
    linear = np.linalg.lstsq(with_ones(flat), np.clip(moves, -MOVE_MAX, MOVE_MAX), rcond=None)[0]
    rows = []
    for inputs, market_moves in zip(test.inputs, test.moves, strict=True):
        scores = score(weights, inputs)
        moved = market_moves != 0
        up_here = market_moves[moved] > 0
        if not 0 < up_here.sum() < len(up_here):
            continue  # this market moved one way only: no AUC
        rows.append(
            {
                "constant": direction(np.full(len(up_here), up.mean()), up_here),
                "logistic": direction(probability(logistic, inputs[moved]), up_here),
                "network": direction(probability(scaling, signed_root(scores[moved])), up_here)
                | {"r2": explained(scores, market_moves)},
                "linear": {"r2": explained(with_ones(inputs) @ linear, market_moves)},
            }
        )
    if len(rows) < 2:
        raise PredictorError("fewer than two test markets moved both ways: no comparison")
    return summarized(rows)


def summarized(rows: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Intervals of every figure, and of what the network's log loss lies below the logistic one's."""
    figures: dict[str, Any] = {
        model: {
            name: mean_interval(np.array([row[model][name] for row in rows])) for name in values
        }
        for model, values in rows[0].items()
    }
    gain = [row["logistic"]["log_loss"] - row["network"]["log_loss"] for row in rows]
    return {**figures, "log_loss_gain": mean_interval(np.array(gain)), "n_markets": len(rows)}


def direction(chance: Floats, up: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Log loss (nats), accuracy and area under the ROC curve of one market."""
    return {
        "log_loss": float(-np.log(np.where(up, chance, 1 - chance)).mean()),
        "accuracy": float(((chance > 0.5) == up).mean()),
        "auc": auc(chance, up),
    }


def auc(chance: Floats, up: npt.NDArray[np.bool_]) -> float:
    """How often an upward moment ranks above a downward one; ties count half (Mann and Whitney)."""
    _, places, counts = np.unique(chance, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[places]
    n_up, n_down = int(up.sum()), int((~up).sum())
    return float((ranks[up].sum() - 0.5 * n_up * (n_up + 1)) / (n_up * n_down))


def explained(predicted: Floats, moves: Floats) -> float:
    """R2 against no change, moves cut as in the fit."""
    cut = np.clip(moves, -MOVE_MAX, MOVE_MAX)
    return float(1 - ((cut - predicted) ** 2).sum() / max((cut**2).sum(), 1e-12))


def save_predictor(path: Path, weights: Floats, about: dict[str, Any]) -> None:
    """Write weights as JSON, with the features that they are for and `about`."""
    content = {
        "format": FORMAT,
        "feature_table": feature_table(PREDICTOR_INPUTS),
        "weights": weights.tolist(),
        **about,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def load_predictor(path: Path) -> Floats:
    """The weights in a file. Raises PredictorError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PredictorError(
            f"no predictor {path}: scripts/train_predictor.py writes one"
        ) from error
    except ValueError as error:
        raise PredictorError(f"{path} is no predictor: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise PredictorError(f"{path} was not written by scripts/train_predictor.py")
    if content.get("feature_table") != feature_table(PREDICTOR_INPUTS):
        raise PredictorError(f"{path} was trained on features that have changed since: train anew")
    try:
        return check_predictor(np.array(content.get("weights"), np.float64))
    except (ValueError, TypeError) as error:
        raise PredictorError(f"{path}: {error}") from error
