"""Where a parameter may lie when it is searched for; each strategy says so beside its parameters.

A strategy that can be tuned has `SEARCH: ClassVar[dict[str, Range]]`, one entry for each of its
parameters that is worth tuning. The others keep their defaults.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """From low to high, both included; whole numbers where both are. log: equal ratios, equal chance."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"{self.low} .. {self.high} is no range to search")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int)
