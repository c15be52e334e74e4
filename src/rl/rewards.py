"""What a step is worth: each term one function of the same facts, summed with the task's weights.

A new term is a function below, its line in `weigh` and its name in TERMS. Money is tick-lots. The
mark is the mid of the others' orders, so own quotes cannot move it; fills are taken against the mark
at the decision, which splits the change of equity into two parts without a rest:
equity_change = spread_captured + position x change of the mark.
"""

import numpy as np

from exchange.engine.kernel import kernel
from exchange.engine.records import FEE_UNITS

CALM_VOLATILITY = 0.44  # ticks per root second: where the volatility-scaled penalty is position^2
VOLATILITY_RATIO_MIN, VOLATILITY_RATIO_MAX = 0.3, 4.0

# What happened to one account in one step.
STEP = np.dtype(
    (
        np.record,
        [
            ("position_before", np.int64),  # lots
            ("position", np.int64),
            ("cash_change", np.int64),  # tick-lots, before fees
            ("fees_change", np.int64),  # millionths of a tick-lot
            ("mark_before", np.float64),  # ticks: mid of the others at the decision
            ("mark", np.float64),  # one step later
            ("entry", np.float64),  # average entry price of the position, ticks
            ("value", np.float64),  # hidden value, ticks: for training only
            ("volatility", np.float64),  # realized, ticks per root second
            ("equity_clip", np.float64),  # tick-lots
            (
                "ahead_before",
                np.float64,
            ),  # clipped P&L of the episode over its target line, tick-lots
            ("ahead", np.float64),  # after the step
            ("is_last", np.int64),  # 1 in the last step of an episode
        ],
    )
)

TERMS = (
    "spread_captured",
    "position_squared",
    "unrealized_pnl",
    "equity_change",
    "equity_change_clipped",
    "fees",
    "position_size",
    "terminal_position_squared",
    "volatility_scaled_position_squared",
    "value_captured",
    "pnl_variance",
)
PRIVILEGED = ("value_captured",)  # sees what no trader can see: training only
TERMINAL = ("terminal_position_squared",)  # needs the time left in the observation

# The guide's reward: spread captured - 0.01 x position^2 + 0.001 x unrealized P&L.
GUIDE = {"spread_captured": 1.0, "position_squared": 0.01, "unrealized_pnl": 0.001}


@kernel
def weigh(step, weights):
    """The reward of a step: the terms by their weights, float64 (n_terms,), in the order of TERMS."""
    total = 0.0
    if weights[0] != 0.0:
        total += weights[0] * spread_captured(step)
    if weights[1] != 0.0:
        total += weights[1] * position_squared(step)
    if weights[2] != 0.0:
        total += weights[2] * unrealized_pnl(step)
    if weights[3] != 0.0:
        total += weights[3] * equity_change(step)
    if weights[4] != 0.0:
        total += weights[4] * equity_change_clipped(step)
    if weights[5] != 0.0:
        total += weights[5] * fees(step)
    if weights[6] != 0.0:
        total += weights[6] * position_size(step)
    if weights[7] != 0.0:
        total += weights[7] * terminal_position_squared(step)
    if weights[8] != 0.0:
        total += weights[8] * volatility_scaled_position_squared(step)
    if weights[9] != 0.0:
        total += weights[9] * value_captured(step)
    if weights[10] != 0.0:
        total += weights[10] * pnl_variance(step)
    return total


@kernel
def spread_captured(step):
    """What the fills of the step earned against the mark at the decision."""
    return step.cash_change + step.mark_before * (step.position - step.position_before)


@kernel
def position_squared(step):
    """Minus the position squared: a running penalty."""
    return -(float(step.position) ** 2)


@kernel
def unrealized_pnl(step):
    """What closing the position at the mark would earn over its average entry price."""
    return step.position * (step.mark - step.entry) if step.position != 0 else 0.0


@kernel
def equity_change(step):
    """Change of cash + position x mark, before fees."""
    return spread_captured(step) + step.position * (step.mark - step.mark_before)


@kernel
def equity_change_clipped(step):
    """The same within -+ equity_clip: rare jumps, which teach nothing, are kept small."""
    return min(max(equity_change(step), -step.equity_clip), step.equity_clip)


@kernel
def fees(step):
    """Minus the fees paid (a rebate adds)."""
    return -step.fees_change / FEE_UNITS


@kernel
def position_size(step):
    """Minus the lots held, whichever way."""
    return -float(abs(step.position))


@kernel
def terminal_position_squared(step):
    """Minus the position squared that is left at the end of an episode."""
    return -(float(step.position) ** 2) if step.is_last != 0 else 0.0


@kernel
def volatility_scaled_position_squared(step):
    """The running penalty by the variance of the mid: what a lot risks now, not what it risks on average."""
    ratio = step.volatility / CALM_VOLATILITY
    ratio = min(max(ratio, VOLATILITY_RATIO_MIN), VOLATILITY_RATIO_MAX)
    return -(ratio**2) * float(step.position) ** 2


@kernel
def value_captured(step):
    """What the fills earned against the hidden value after the step. Privileged.

    The change of equity marked to the hidden value, less position_before x its change: that part has
    mean zero whatever the policy does, so leaving it out takes away noise and no signal.
    """
    return step.cash_change + step.value * (step.position - step.position_before)


@kernel
def pnl_variance(step):
    """Minus half the squared distance of the episode's P&L from its target line, as it changes.

    Summed over an episode and averaged over many, half the variance of the P&L (and of its mean
    around the target): with weight b the objective is mean - b/2 x variance, the linear form of the
    mean-variance policy gradient of Tamar, Di Castro and Mannor (2012). What is earned in markets that
    earn much anyway counts for less than what is earned in lean ones.
    """
    return 0.5 * (step.ahead_before**2 - step.ahead**2)
