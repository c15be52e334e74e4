"""Trained models as policy files: what live trading needs, without any learning library.

`save_policy` writes `NAME.zip`, an ordinary Stable-Baselines3 file that also holds the card and
plain weights, and `NAME.onnx`, the network alone with the card in its metadata. `strategies.policy`
reads both. Networks are chains of dense layers, so their ONNX graph is written directly.
"""

import json
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from gymnasium import spaces
from onnx import TensorProto, helper, numpy_helper
from stable_baselines3.common.base_class import BaseAlgorithm

from strategies.actions import DISCRETE, action_kind
from strategies.features import PREDICTOR_INPUTS
from strategies.network import MlpNetwork
from strategies.policy import (
    CARD_FORMAT,
    CARD_NAME,
    ONNX_CARD_KEY,
    WEIGHTS_NAME,
    Policy,
    feature_table,
)

Floats = npt.NDArray[np.float32]
ONNX_OPSET, ONNX_IR_VERSION = 17, 9  # old enough for every ONNX Runtime that is still in use
ACTIVATIONS = {torch.nn.ReLU: "relu", torch.nn.Tanh: "tanh"}
ONNX_NODES = {"relu": "Relu", "tanh": "Tanh"}


class ExportError(ValueError):
    """A model that is no chain of dense layers, or an action space that no policy file knows."""


def save_policy(model: BaseAlgorithm, card: dict[str, Any], path: str | Path) -> list[Path]:
    """Write the model as `path`.zip and `path`.onnx (an ending given is replaced); both paths."""
    zip_path, onnx_path = policy_paths(path)
    layers, activation = layers_of(model)
    card = {**card, "activation": activation, "output": _output(model, card["task"]["action"])}
    model.save(zip_path, exclude=["rollout_buffer", "replay_buffer"])
    add_to_zip(layers, card, zip_path)
    write_onnx(layers, activation, card, onnx_path)
    return [zip_path, onnx_path]


def policy_paths(path: str | Path) -> tuple[Path, Path]:
    """The .zip and the .onnx that a policy called `path` is saved as; their folder is made."""
    stem = Path(path).with_suffix("") if Path(path).suffix in (".zip", ".onnx") else Path(path)
    stem.parent.mkdir(parents=True, exist_ok=True)
    return stem.with_name(stem.name + ".zip"), stem.with_name(stem.name + ".onnx")


def new_card(
    features: str | Sequence[str], task: dict[str, Any], training: dict[str, Any]
) -> dict[str, Any]:
    """What a policy file says of itself; `scores` are added once it has been judged."""
    return {
        "format": CARD_FORMAT,
        "features": features,
        "feature_table": feature_table(features),
        "predictor_table": feature_table(PREDICTOR_INPUTS) if task["predictor"] else [],
        "task": task,
        "training": training,
        "scores": {},
    }


def as_policy(model: BaseAlgorithm, card: dict[str, Any]) -> Policy:
    """The model as `load_policy` would give it, without a file in between."""
    layers, activation = layers_of(model)
    card = {**card, "activation": activation, "output": _output(model, card["task"]["action"])}
    return Policy(MlpNetwork(layers, activation), card)


def _output(model: BaseAlgorithm, action: str) -> dict[str, Any]:
    return output_of(model.action_space, action, squashed=hasattr(model.policy, "actor"))


def output_of(space: spaces.Space[Any], action: str, *, squashed: bool) -> dict[str, Any]:
    """How an action of the kind `action` is read from the network's outputs."""
    if isinstance(space, spaces.MultiDiscrete):
        return {"kind": "choices", "sizes": space.nvec.tolist()}
    if isinstance(space, spaces.Discrete):
        return {"kind": "joint", "sizes": list(DISCRETE[action_kind(action)])}
    if isinstance(space, spaces.Box):
        low, high = space.low.tolist(), space.high.tolist()
        return {"kind": "box", "low": low, "high": high, "squashed": squashed}
    raise ExportError(f"actions of {space} have no policy file")


def layers_of(model: BaseAlgorithm) -> tuple[list[Floats], str]:
    """Weights (n_in, n_out) and bias of each layer in turn, and the activation between them."""
    policy: Any = model.policy
    if hasattr(policy, "mlp_extractor"):  # PPO, A2C
        modules = [*policy.mlp_extractor.policy_net, policy.action_net]
    elif hasattr(policy, "q_net"):  # DQN: the largest value is the choice
        modules = [*policy.q_net.q_net]
    elif hasattr(policy, "actor"):  # SAC: the mean of the action before tanh
        modules = [*policy.actor.latent_pi, policy.actor.mu]
    else:
        raise ExportError(f"{type(policy).__name__} has no network to export")
    return dense_layers(modules)


def dense_layers(modules: Sequence[torch.nn.Module]) -> tuple[list[Floats], str]:
    """The same for any sequence of Linear layers with one kind of activation."""
    layers: list[Floats] = []
    activations = {ACTIVATIONS.get(type(m)) for m in modules if not isinstance(m, torch.nn.Linear)}
    if None in activations or len(activations) > 1:
        raise ExportError(f"only dense layers with ReLU or tanh are exported, not {modules}")
    for module in modules:
        if isinstance(module, torch.nn.Linear):
            layers.append(module.weight.detach().numpy().T.astype(np.float32).copy())
            layers.append(module.bias.detach().numpy().astype(np.float32).copy())
    return layers, str(activations.pop()) if activations else "relu"


def add_to_zip(layers: list[Floats], card: dict[str, Any], path: Path) -> None:
    """The card and the weights, beside what the file holds already, if there is one."""
    weights = BytesIO()
    named: dict[str, Any] = {f"layer_{i}": layer for i, layer in enumerate(layers)}
    np.savez(weights, **named)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CARD_NAME, json.dumps(card, indent=1))
        archive.writestr(WEIGHTS_NAME, weights.getvalue())


def write_onnx(layers: list[Floats], activation: str, card: dict[str, Any], path: Path) -> None:
    """The network as an ONNX graph: `obs` (batch, n_features) -> `outputs` (batch, n_outputs)."""
    nodes, weights = [], []
    name = "obs"
    n_layers = len(layers) // 2
    for i in range(n_layers):
        kernel_name, bias_name = f"weight_{i}", f"bias_{i}"
        weights.append(numpy_helper.from_array(layers[2 * i], kernel_name))
        weights.append(numpy_helper.from_array(layers[2 * i + 1], bias_name))
        last = i == n_layers - 1
        target = "outputs" if last else f"sum_{i}"
        nodes.append(helper.make_node("Gemm", [name, kernel_name, bias_name], [target]))
        if not last:
            name = f"hidden_{i}"
            nodes.append(helper.make_node(ONNX_NODES[activation], [target], [name]))
    inputs = helper.make_tensor_value_info("obs", TensorProto.FLOAT, ["batch", len(layers[0])])
    outputs = helper.make_tensor_value_info(
        "outputs", TensorProto.FLOAT, ["batch", len(layers[-1])]
    )
    graph = helper.make_graph(nodes, "policy", [inputs], [outputs], weights)
    opset = helper.make_opsetid("", ONNX_OPSET)
    file = helper.make_model(graph, opset_imports=[opset], ir_version=ONNX_IR_VERSION)
    helper.set_model_props(file, {ONNX_CARD_KEY: json.dumps(card)})
    onnx.checker.check_model(file)
    onnx.save(file, str(path))
