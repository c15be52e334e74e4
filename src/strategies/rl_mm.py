"""A trained policy as a market maker: the same features, network and quotes as in its training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from strategies.actions import KINDS, write_quote
from strategies.features import Features
from strategies.observe import OWN_QUOTE
from strategies.policy import Policy, PolicyError, load_policy
from strategies.strategy import Quote, View

# The policy that ships with the repository; elsewhere `model_path` has to be given.
SHIPPED_POLICY = Path(__file__).parents[2] / "models" / "rl_mm_agent.zip"


@dataclass
class RLMarketMaker:
    """Quote what a policy from `scripts/train_rl.py` wants.

    It must be asked at the pace at which it was trained (250 ms of market time unless its card says
    otherwise): its features remember what was seen at the decisions before.
    Raises ValueError for a file that is missing, foreign, or does not fit this version.
    """

    model_path: str = str(SHIPPED_POLICY)
    client_id: str = "rl"  # a name in logs and reports; the exchange knows traders by their keys
    policy: Policy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.policy = load_policy(self.model_path)
        action = self.policy.card["action"]
        if action["kind"] not in KINDS:
            known = ", ".join(KINDS)
            raise PolicyError(f"{self.model_path}: actions {action['kind']!r} are none of {known}")
        self._kind = int(KINDS[action["kind"]])
        self._skew = float(action["skew"])
        self._position_max = int(action["position_max"])
        self._features = Features(self.policy.features)
        self._quote = np.zeros(1, OWN_QUOTE)[0]

    def decide(self, view: View) -> Quote:
        action = self.policy.act(self._features.observe(view)).astype(np.float64)
        write_quote(
            self._kind,
            action,
            self._features.history,
            min(self._position_max, view.position_max or self._position_max),
            self._skew,
            self._quote,
        )
        return quote_of(self._quote)


def quote_of(record: Any) -> Quote:
    """An OWN_QUOTE record as a Quote; price 0 is no order."""
    bid_price, bid_quantity, ask_price, ask_quantity = record.item()
    return Quote(
        bid_price=bid_price or None,
        bid_quantity=bid_quantity,
        ask_price=ask_price or None,
        ask_quantity=ask_quantity,
    )
