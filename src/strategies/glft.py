"""Gueant, Lehalle and Fernandez-Tapia's market maker, in closed form and exact."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil, exp, inf, log, log2, sqrt
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from strategies.strategy import Quote, View, check_not_negative, check_positive, quote_around
from strategies.tuning import Range

EXACT_POSITION_MAX = 60  # lots: beyond, v can leave the range of floats
RELAXATIONS_MAX = 30.0  # e-foldings of the second mode after which the end is out of sight


@dataclass
class Glft:
    """Quote at the optimal distances for a position limit, far from the horizon or at a finite one.

    Gueant, Lehalle and Fernandez-Tapia, "Dealing with the inventory risk: a solution to the market
    making problem", Mathematics and Financial Economics 7 (2013). With risk aversion g, fills at
    rate A exp(-k distance), volatility s and position q in |q| <= q_max:

    - closed_form (section 4): distance of the bid, of the ask =
      (1/g) ln(1 + g/k) + (+-2q + 1)/2 sqrt(s^2 g / (2 k A) (1 + g/k)^(1 + k/g)).
    - exact (theorem 1): v' = M v with M tridiagonal, a q^2 on the diagonal and -b beside it,
      a = k g s^2 / 2, b = A (1 + g/k)^-(1 + k/g), v = 1 at the end; the bid's distance is
      (1/k) ln(v_q / v_q+1) + (1/g) ln(1 + g/k), the ask's the same with v_q-1.
    """

    risk_aversion: float = 0.1  # g, per tick-lot
    fill_decay: float = 1.2  # k, per tick
    fill_rate: float = 0.8  # A, fills per second of a quote at the mid
    volatility: float = 0.4  # s, ticks per square root of a second; 0: the view's running estimate
    form: Literal["closed_form", "exact"] = "closed_form"
    quantity: int = 3  # lots a side
    position_max: int = 50  # lots; q_max of the exact form

    SEARCH: ClassVar[dict[str, Range]] = {
        "risk_aversion": Range(0.005, 30.0, log=True),
        "fill_decay": Range(0.3, 5.0, log=True),
        "fill_rate": Range(0.1, 5.0, log=True),
        "quantity": Range(1, 10),
        "position_max": Range(1, 100, log=True),
    }

    def __post_init__(self) -> None:
        check_positive(
            risk_aversion=self.risk_aversion,
            fill_decay=self.fill_decay,
            fill_rate=self.fill_rate,
            quantity=self.quantity,
            position_max=self.position_max,
        )
        check_not_negative(volatility=self.volatility)
        if self.form == "exact" and self.position_max > EXACT_POSITION_MAX:
            raise ValueError(
                f"position_max of the exact form is at most {EXACT_POSITION_MAX} lots, "
                f"not {self.position_max}"
            )

    def decide(self, view: View) -> Quote:
        # two digits of what changes all the time, so that the exact form meets its cache
        volatility = self.volatility or float(f"{view.volatility:.2g}")
        below, above = self.depths(view.position, volatility, view.time_left_s)
        return quote_around(
            view, view.mid - below, view.mid + above, self.quantity, self.position_max
        )

    def depths(
        self, position: int, volatility: float, time_left_s: float = inf
    ) -> tuple[float, float]:
        """Distance of the bid and of the ask from the mid, ticks; inf where there is no quote."""
        g, k = self.risk_aversion, self.fill_decay
        margin = log(1 + g / k) / g
        position = max(-self.position_max, min(self.position_max, position))
        if self.form == "closed_form" or volatility == 0:
            # (1 + g/k)^(1 + k/g) through logarithms: k/g may be large
            growth = exp((1 + k / g) * log(1 + g / k))
            lean = sqrt(volatility**2 * g / (2 * k * self.fill_rate) * growth)
            return margin + (2 * position + 1) / 2 * lean, margin - (2 * position - 1) / 2 * lean
        below, above = self._exact_leans(position, volatility, time_left_s)
        return margin + below, margin + above

    def _exact_leans(
        self, position: int, volatility: float, time_left_s: float
    ) -> tuple[float, float]:
        """(1/k) ln(v_q / v_q+1) and (1/k) ln(v_q / v_q-1)."""
        logs = log_ratios(
            self.risk_aversion,
            self.fill_decay,
            self.fill_rate,
            volatility,
            self.position_max,
            float(f"{max(time_left_s, 0.0):.2g}"),
        )
        row = position + self.position_max
        return logs[row] / self.fill_decay, -logs[row - 1] / self.fill_decay if row > 0 else inf


@lru_cache(maxsize=4096)
def log_ratios(
    g: float, k: float, fill_rate: float, volatility: float, q_max: int, time_left_s: float
) -> tuple[float, ...]:
    """ln(v_q / v_q+1) of theorem 1 for q = -q_max .. q_max; inf at the end, where v stops.

    time_left_s: inf is allowed.
    """
    a = k * g * volatility**2 / 2
    b = fill_rate * exp(-(1 + k / g) * log(1 + g / k))
    matrix = _even_matrix(a, b, q_max)
    rates = np.sort(np.linalg.eigvals(matrix).real)
    if time_left_s * (rates[1] - rates[0]) > RELAXATIONS_MAX:
        upper = _stationary_log_ratios(a, b, q_max, float(rates[0]))
    else:
        upper = _finite_log_ratios(matrix, b, time_left_s)
    return (*(-x for x in reversed(upper)), *upper, inf)


def _even_matrix(a: float, b: float, q_max: int) -> npt.NDArray[np.float64]:
    """M for q = 0 .. q_max only: v is even in q, so at 0 both neighbors are the same number."""
    positions = np.arange(q_max + 1)
    beside = np.full(q_max, -b)
    matrix: npt.NDArray[np.float64] = (
        np.diag(a * positions**2.0) + np.diag(beside, 1) + np.diag(beside, -1)
    )
    matrix[0, 1] = -2 * b
    return matrix


def _stationary_log_ratios(a: float, b: float, q_max: int, rate: float) -> list[float]:
    """Far from the end v is the slowest mode, M v = rate v: its ratios for q = 0 .. q_max - 1.

    From the edge inwards, since there an eigenvector's own numbers drown in rounding.
    """
    ratios = [0.0] * (q_max + 1)  # ratios[q] = v_q+1 / v_q
    for q in range(q_max, 0, -1):
        ratios[q - 1] = b / (a * q * q - rate - b * ratios[q])
    return [-log(ratio) for ratio in ratios[:q_max]]


def _finite_log_ratios(
    matrix: npt.NDArray[np.float64], b: float, time_left_s: float
) -> list[float]:
    """The same for v = exp(-M t) 1, by squaring a matrix with no negative numbers to cancel."""
    one = np.eye(len(matrix))
    shift = matrix.max()
    doublings = max(0, ceil(log2(max(time_left_s * (shift + 2 * b), 1e-300))) + 10)
    term = (shift * one - matrix) * (time_left_s / 2.0**doublings)
    step = one + term @ (one + term @ (one + term / 3) / 2)
    for _ in range(doublings):
        step = step @ step
        step /= step.max()
    v = step.sum(axis=1)
    return [log(here / beyond) if beyond > 0 else inf for here, beyond in pairwise(v)]
