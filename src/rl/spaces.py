"""What Gymnasium calls the spaces of a task."""

import numpy as np
from gymnasium import spaces

from rl.config import TaskConfig
from strategies.actions import DISCRETE, ActionKind, action_kind
from strategies.features import feature_names
from strategies.observe import FEATURE_MAX


def observation_space(config: TaskConfig) -> spaces.Box:
    """One number a feature, each within -+ FEATURE_MAX."""
    shape = (len(feature_names(config.features)),)
    return spaces.Box(-FEATURE_MAX, FEATURE_MAX, shape, np.float32)


def action_space(config: TaskConfig) -> spaces.MultiDiscrete | spaces.Box:
    """Offsets and quantity, discrete or continuous."""
    kind = action_kind(config.action)
    if kind == ActionKind.BOX:
        return spaces.Box(-1.0, 1.0, (3,), np.float32)
    return spaces.MultiDiscrete(list(DISCRETE[kind]))
