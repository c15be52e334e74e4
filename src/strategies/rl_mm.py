"""A trained policy as a market maker: the same features, network and quotes as in its training."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exchange.engine.records import ACCOUNT, DEPTH
from strategies.actions import UNIT_LOTS_MAX, Actions
from strategies.features import Features
from strategies.policy import Policy, PolicyError, load_policy
from strategies.strategy import Quote, View
from strategies.trader import Observer

# The policy that ships with the repository; elsewhere `model_path` has to be given.
SHIPPED_POLICY = Path(__file__).parents[2] / "models" / "rl_mm_agent.zip"


@dataclass
class RLMarketMaker:
    """Quote what a policy from `scripts/train_rl.py` wants.

    The problem is that of Avellaneda and Stoikov (2008); the answer is learned, not derived:
    Schulman et al., "Proximal Policy Optimization Algorithms" (2017), in this very market.

    It must be asked at the pace at which it was trained (250 ms of market time unless its card says
    otherwise): its features remember what was seen at the decisions before.
    It can be asked for more than it was trained to trade: with unit_lots=3 it counts in threes, and
    what was one lot are three. docs/RESULTS.md shows what that does to P&L and Sharpe.
    Raises ValueError for a file that is missing, foreign, or does not fit this version.
    """

    model_path: str = ""  # the policy that ships with the repository unless given
    client_id: str = "rl"  # a name in logs and reports; the exchange knows traders by their keys
    unit_lots: int = 0  # lots traded for each lot of its training; 0: as in its training
    policy: Policy = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.unit_lots <= UNIT_LOTS_MAX:
            raise ValueError(f"unit_lots is 0 .. {UNIT_LOTS_MAX} lots, not {self.unit_lots}")
        path = self.model_path or SHIPPED_POLICY
        self.policy = load_policy(path)
        task = self.policy.card["task"]
        try:
            unit_lots = self.unit_lots or int(task.get("unit_lots", 1))
            self._actions = Actions(
                task["action"],
                position_max=int(task["position_max"]),
                skew=float(task["skew"]),
                unit_lots=unit_lots,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PolicyError(f"{path}: the task on its card: {error!r}") from error
        self._warm_up()
        self._features = Features(self.policy.features, self.policy.predictor, unit_lots)

    def _warm_up(self) -> None:
        """Compile, or load, all that a decision needs: a market does not wait for the first one."""
        self._features = Features(self.policy.features)
        depth = np.zeros(1, DEPTH)[0]
        depth["bid_price"][0], depth["ask_price"][0] = 100, 102
        depth["bid_quantity"][0] = depth["ask_quantity"][0] = 1
        self.decide(Observer().view(depth, np.zeros(1, ACCOUNT)[0], None, None, 0))

    def decide(self, view: View) -> Quote:
        action = self.policy.act(self._features.observe(view))
        return self._actions.quote(action, view, self._features.histories)
