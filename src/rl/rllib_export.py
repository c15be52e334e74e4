"""RLlib's modules as policy files, and from its checkpoints without an algorithm or a cluster."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from ray.rllib.core.rl_module.rl_module import RLModule

from rl.config import TaskConfig
from rl.export import (
    ExportError,
    Floats,
    add_to_zip,
    dense_layers,
    output_of,
    policy_paths,
    write_onnx,
)
from rl.spaces import action_space
from strategies.network import MlpNetwork
from strategies.policy import CARD_NAME, Policy, PolicyError

MODULE_FOLDER = Path("learner_group/learner/rl_module/default_policy")  # in RLlib's checkpoints


def module_policy(module: Any, card: dict[str, Any]) -> Policy:
    """An RLModule with an MLP encoder as a policy. Raises ExportError for another one."""
    layers, activation = module_layers(module)
    task = TaskConfig.from_dict(card["task"])
    space = action_space(task)
    if isinstance(
        space, spaces.Box
    ):  # means, and log deviations that a greedy policy has no use for
        layers[-2:] = [layer[..., : space.shape[0]].copy() for layer in layers[-2:]]
    output = output_of(space, task.action, squashed=False)
    card = {**card, "activation": activation, "output": output}
    return Policy(MlpNetwork(layers, activation), card)


def module_layers(module: Any) -> tuple[list[Floats], str]:
    """Weights (n_in, n_out) and bias of each layer from observation to action, and the activation."""
    parts = actor_of(module).modules()
    return dense_layers([part for part in parts if not isinstance(part, torch.nn.Sequential)])


def actor_of(module: Any) -> torch.nn.Sequential:
    """Encoder and head of an RLModule's policy network, its own. Raises ExportError for another kind."""
    try:
        return torch.nn.Sequential(module.encoder.actor_encoder.net.mlp, module.pi.net.mlp)
    except AttributeError as error:
        raise ExportError(
            f"{type(module).__name__} has no dense policy network of its own ({error}): "
            "train with vf_share_layers=False and no recurrent layers"
        ) from error


def save_network(policy: Policy, path: str | Path) -> list[Path]:
    """Write a policy of dense layers as `path`.zip and `path`.onnx; both paths."""
    zip_path, onnx_path = policy_paths(path)
    network = policy.network
    assert isinstance(network, MlpNetwork)
    layers = split_layers(network)
    zip_path.unlink(missing_ok=True)
    add_to_zip(layers, policy.card, zip_path)
    write_onnx(layers, policy.card["activation"], policy.card, onnx_path)
    return [zip_path, onnx_path]


def split_layers(network: MlpNetwork) -> list[Floats]:
    """A network's parameters as weights (n_in, n_out) and bias (n_out,) in turn."""
    layers: list[Floats] = []
    place = 0
    for n_in, n_out in zip(network.sizes[:-1], network.sizes[1:], strict=True):
        for shape in ((n_in, n_out), (n_out,)):
            size = int(np.prod(shape))
            layers.append(network.parameters[place : place + size].reshape(shape))
            place += size
    return layers


def load_checkpoint(folder: str | Path) -> Policy:
    """The policy in a checkpoint of `train_rl.py --library rllib`; Ray is not started.

    Raises PolicyError for a folder that is none.
    """
    folder = Path(folder)
    path = folder / MODULE_FOLDER
    if not path.is_dir() or not (folder / CARD_NAME).is_file():
        raise PolicyError(f"{folder} is no checkpoint of train_rl.py --library rllib")
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    return module_policy(RLModule.from_checkpoint(str(path.absolute())), card)
