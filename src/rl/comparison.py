"""From the episodes of several strategies to means, intervals and paired differences."""

from collections.abc import Mapping
from typing import Any

from rl.bootstrap import mean_interval, plain, sharpe_difference, sharpe_interval
from rl.contest import FIGURES, Episodes

Json = dict[str, Any]


def summarize(episodes: Episodes) -> Json:
    """Mean, low and high of each figure; `sharpe` is mean / sd of P&L across episodes."""
    found: Json = {name: plain(mean_interval(episodes[name])) for name in FIGURES}
    found["sharpe"] = plain(sharpe_interval(episodes["pnl"]))
    found["pnl_sd"] = float(episodes["pnl"].std(ddof=1))
    return found


def difference(a: Episodes, b: Episodes) -> Json:
    """a - b, episode by episode on the same seeds: mean, low and high of each figure."""
    found: Json = {name: plain(mean_interval(a[name] - b[name])) for name in FIGURES}
    found["sharpe"] = plain(sharpe_difference(a["pnl"], b["pnl"]))
    return found


def compare(results: Mapping[str, Episodes], reference: str) -> Json:
    """`strategies` by name, and `paired`: the reference less each other one."""
    return {
        "strategies": {name: summarize(episodes) for name, episodes in results.items()},
        "reference": reference,
        "paired": {
            name: difference(results[reference], episodes)
            for name, episodes in results.items()
            if name != reference
        },
    }
