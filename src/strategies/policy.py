"""A trained policy as a file: read without any learning library, evaluated in microseconds.

A `.zip` is a Stable-Baselines3 file that also holds `onebook.json` (the card: features, task,
seeds, scores) and `weights.npz`; its network runs compiled. An `.onnx` file carries the same card
in its metadata and runs on ONNX Runtime. `rl.export` writes both.
"""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from strategies.features import PREDICTOR_INPUTS, check_predictor, feature_names
from strategies.network import MlpNetwork, OnnxNetwork, choices
from strategies.observe import FEATURES

Floats = npt.NDArray[np.float32]
CARD_FORMAT = 1
CARD_NAME, WEIGHTS_NAME = "onebook.json", "weights.npz"
ONNX_CARD_KEY = "onebook"
CARD_KEYS = {
    "format": int,
    "features": str | list,
    "feature_table": list,
    "output": dict,
    "task": dict,
}
ADVICE = "copy the file again, or train anew"


class PolicyError(ValueError):
    """No such policy file, not one of ours, or one that does not fit this version."""


class Network(Protocol):
    """Whatever turns one observation into the numbers an action is read from."""

    def __call__(self, observation: Floats) -> Floats:
        """Observation (n_features,) float32 -> outputs (n_outputs,) float32."""
        ...


@dataclass(frozen=True)
class Policy:
    """A network with all that is needed to use it."""

    network: Network
    card: dict[str, Any]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what it observes, in order."""
        return feature_names(self.card["features"])

    @property
    def predictor(self) -> npt.NDArray[np.float64] | None:
        """Weights behind its feature `score`, as they were in training; None without."""
        weights = self.card["task"].get("predictor")
        return np.array(weights, np.float64) if weights else None

    @cached_property
    def _sizes(self) -> npt.NDArray[np.int64]:
        return np.array(self.card["output"]["sizes"], np.int64)

    def act(self, observation: Floats) -> npt.NDArray[Any]:
        """The greedy action for one observation (n_features,): int64 choices, or a box's floats."""
        outputs = self.network(observation)
        output = self.card["output"]
        if output["kind"] == "choices":
            return choices(outputs, self._sizes)
        if output["kind"] == "joint":
            return np.array(np.unravel_index(outputs.argmax(), output["sizes"]), np.int64)
        low, high = (np.array(output[name], np.float32) for name in ("low", "high"))
        if output["squashed"]:
            outputs = low + (high - low) * (np.tanh(outputs) + 1) / 2
        return np.asarray(np.clip(outputs, low, high))


def load_policy(path: str | Path) -> Policy:
    """Read a policy; PolicyError says what is wrong with the file."""
    path = Path(path)
    if not path.exists() and path.suffix == "" and path.with_suffix(".zip").exists():
        path = path.with_suffix(".zip")  # as Stable-Baselines3 names what it saves
    if not path.is_file():
        raise PolicyError(f"no policy file {path}: scripts/train_rl.py --save-path writes one")
    if path.suffix == ".onnx":
        return _load_onnx(path)
    if path.suffix == ".zip":
        return _load_zip(path)
    raise PolicyError(f"{path}: a policy is a .zip or an .onnx file")


def _load_zip(path: Path) -> Policy:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if CARD_NAME not in names or WEIGHTS_NAME not in names:
                raise PolicyError(
                    f"{path} was not written by scripts/train_rl.py: it holds no {CARD_NAME}"
                )
            card = _read_card(path, archive.read(CARD_NAME))
            weights = _read_weights(path, archive.read(WEIGHTS_NAME))
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise PolicyError(f"{path} is no policy: {error}") from error
    try:
        network = MlpNetwork(weights, str(card.get("activation", "relu")))
    except ValueError as error:
        raise PolicyError(f"{path}: {error}") from error
    _check_sizes(path, card, network.n_inputs, network.n_outputs)
    return Policy(network, card)


def _read_weights(path: Path, content: bytes) -> list[Floats]:
    try:
        with np.load(BytesIO(content), allow_pickle=False) as stored:
            layers = [stored[f"layer_{i}"].astype(np.float32) for i in range(len(stored.files))]
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise PolicyError(f"{path}: {WEIGHTS_NAME} cannot be read: {error}") from error
    _check_finite(path, layers)
    return layers


def _check_finite(path: Path, numbers: Sequence[Floats]) -> None:
    if not all(np.isfinite(some).all() for some in numbers):
        raise PolicyError(f"{path}: its weights are not all finite; the training went astray")


def _load_onnx(path: Path) -> Policy:
    try:
        import onnxruntime  # noqa: PLC0415 - optional
    except ImportError as error:
        raise PolicyError(
            f"{path} needs ONNX Runtime: pip install 'onebook[serve]', or use the .zip beside it"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own
        raise PolicyError(f"{path} is no ONNX file: {error}") from error
    content = session.get_modelmeta().custom_metadata_map.get(ONNX_CARD_KEY)
    if content is None:
        raise PolicyError(f"{path} was not written by scripts/train_rl.py: it carries no card")
    card = _read_card(path, content.encode())
    network = OnnxNetwork(session)
    _check_sizes(path, card, network.n_inputs, network.n_outputs)
    # ONNX Runtime shows its weights to nobody; one that is no number spoils every answer
    _check_finite(path, [network(np.zeros(network.n_inputs, np.float32))])
    return Policy(network, card)


def _read_card(path: Path, content: bytes) -> dict[str, Any]:
    try:
        card = json.loads(content)
    except ValueError as error:
        raise PolicyError(f"{path}: its card is not JSON ({error}): {ADVICE}") from error
    if not isinstance(card, dict):
        raise PolicyError(f"{path}: its card is no JSON object: {ADVICE}")
    wrong = [key for key, kind in CARD_KEYS.items() if not isinstance(card.get(key), kind)]
    if wrong:
        raise PolicyError(f"{path}: its card lacks {wrong[0]!r}, or it is damaged: {ADVICE}")
    if card["format"] != CARD_FORMAT:
        raise PolicyError(f"{path} has format {card['format']}; this version reads {CARD_FORMAT}")
    predicts = card["task"].get("predictor")
    try:
        table = feature_table(card["features"])
        check_predictor(np.array(predicts, np.float64) if predicts else None)
        _n_outputs(card["output"])
    except (ValueError, TypeError) as error:
        raise PolicyError(f"{path}: its card: {error}: {ADVICE}") from error
    table_before = card.get("predictor_table")
    changed = predicts and table_before != feature_table(PREDICTOR_INPUTS)
    if card["feature_table"] != table or changed:
        raise PolicyError(f"{path} was trained on features that have changed since: train anew")
    return card


def feature_table(features: str | Sequence[str]) -> list[list[Any]]:
    """Name, scale and shift of each feature: what a policy must find unchanged."""
    scaled = {name: [name, scale, shift] for name, scale, shift in FEATURES}
    return [scaled[name] for name in feature_names(features)]


def _n_outputs(output: dict[str, Any]) -> int:
    """How many numbers an action is read from. Raises ValueError, TypeError for what no card says."""
    kind = output.get("kind")
    if kind == "box":
        low, high = (np.array(output.get(name), np.float64) for name in ("low", "high"))
        fits = low.ndim == 1 and low.shape == high.shape and np.isfinite(high - low).all()
        if fits and (low < high).all() and isinstance(output.get("squashed"), bool):
            return len(low)
    sizes: Any = output.get("sizes")
    whole = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
    if whole and kind in ("choices", "joint"):
        return sum(sizes) if kind == "choices" else prod(sizes)
    raise ValueError(f"no policy has the output {output}")


def _check_sizes(path: Path, card: dict[str, Any], n_inputs: int, n_outputs: int) -> None:
    n_features, wanted = len(card["feature_table"]), _n_outputs(card["output"])
    if (n_inputs, n_outputs) != (n_features, wanted):
        raise PolicyError(
            f"{path} maps {n_inputs} numbers to {n_outputs}, its card says {n_features} to {wanted}"
        )
