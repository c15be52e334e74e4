"""`--market` of the scripts: a preset's name, or a JSON file of parameters, as a task."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from exchange.simulation.presets import PARAMETERS, PRESETS
from rl.config import OPENING, ConfigError, TaskConfig

TASK_FIELDS = tuple(entry.name for entry in fields(TaskConfig))
REWARD_FIELDS = ("reward", "reward_scale", "equity_clip", "pnl_target")


def read_market(text: str) -> dict[str, Any]:
    """The fields of a task: {"market": preset}, or what the file says.

    A file is a JSON object of TaskConfig's fields, or of parameters of the participants (they become
    `overrides`), or of both. Raises ConfigError with the reason.
    """
    if text in PRESETS:
        return {"market": text}
    path = Path(text)
    if not path.is_file():
        choices = ", ".join(PRESETS)
        raise ConfigError(f"--market {text!r} is neither a file nor one of {choices}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a market is a JSON object of parameters")
    return _as_fields(path, values)


def _as_fields(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the participants go where a task keeps them."""
    parameters = {k: v for k, v in values.items() if k not in TASK_FIELDS}
    unknown = [name for name in parameters if name not in PARAMETERS and name not in OPENING]
    if unknown:
        raise ConfigError(
            f"{path}: unknown {unknown[0]!r}: neither a field of TaskConfig ({', '.join(TASK_FIELDS)})"
            f" nor a parameter of docs/MARKET.md"
        )
    found = {k: v for k, v in values.items() if k in TASK_FIELDS}
    if parameters:
        found["overrides"] = {**found.get("overrides", {}), **parameters}
    return found
