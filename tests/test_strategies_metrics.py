"""Every figure against one worked out by hand."""

from decimal import Decimal
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.instrument import Instrument
from strategies.metrics import (
    TRADING_YEAR_S,
    equity,
    in_money,
    max_drawdown,
    mean_abs_position,
    measure,
    realized_and_unrealized,
    sharpe_ratio,
    spreads,
)
from strategies.record import FILL, ROWS_MAX, SAMPLE, RecordFull, Rows

S = 1_000_000_000


def fills(*rows: tuple[float, str, int, int, float], fee: int = 0) -> Any:
    """(second, buy or sell, price, lots, mid before) as makers' fills."""
    out = np.zeros(len(rows), FILL)
    for row, (second, side, price, lots, mid) in enumerate(rows):
        is_buy, mid_twice = int(side == "buy"), round(2 * mid)
        out[row] = (round(second * S), row + 1, price, lots, is_buy, 1, fee, mid_twice)
    return out


def samples(*rows: tuple[float, int, int, float], fees: int = 0) -> Any:
    """(second, position, cash, mid); fees grow to `fees` at the last one."""
    out = np.zeros(len(rows), SAMPLE)
    for row, (second, position, cash, mid) in enumerate(rows):
        paid = fees if row == len(rows) - 1 else 0
        out[row] = (round(second * S), position, cash, paid, round(2 * mid))
    return out


ROUND_TRIP = fills((1, "buy", 99, 3, 100.0), (2, "sell", 102, 2, 101.0))
AROUND = samples((0, 0, 0, 100.0), (1, 3, -297, 100.0), (2, 1, -93, 101.0), (9, 1, -93, 98.5))


def test_profit_is_realized_plus_unrealized_less_fees() -> None:
    money = samples((0, 0, 0, 100.0), (9, 1, -93, 98.5), fees=1_500_000)
    metrics = measure(ROUND_TRIP, money, 10)
    assert metrics.realized == 6.0  # two lots bought at 99 and sold at 102
    assert metrics.unrealized == -0.5  # one bought at 99, worth 98.5
    assert metrics.fees == 1.5
    assert metrics.pnl == 4.0
    assert (metrics.position, metrics.n_fills, metrics.volume) == (1, 2, 5)
    assert metrics.turnover == 3 * 99 + 2 * 102
    assert metrics.fill_rate == 0.5
    assert metrics.duration_s == 9.0


def test_lots_are_closed_first_in_first_out_and_through_zero() -> None:
    rows = fills(
        (1, "buy", 10, 2, 10),
        (2, "buy", 20, 2, 10),
        (3, "sell", 30, 3, 10),  # closes two at 10 (+40) and one at 20 (+10)
        (4, "sell", 25, 2, 10),  # closes one at 20 (+5), opens one short at 25
        (5, "buy", 24, 1, 10),  # closes it (+1)
    )
    ends = samples((0, 0, 0, 10.0), (6, 0, 56, 99.0))
    assert realized_and_unrealized(rows, ends) == (2 * 56, 0)


def test_a_position_from_before_counts_from_the_first_mid() -> None:
    ends = samples((0, -2, 500, 10.5), (6, 0, 480, 12.0))
    assert realized_and_unrealized(fills((1, "buy", 10, 2, 10)), ends) == (2, 0)
    assert measure(fills((1, "buy", 10, 2, 10)), ends, 0).pnl == 1.0


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(1, 9)), max_size=30),
    st.integers(-5, 5),
    st.integers(2, 99),
)
def test_realized_and_unrealized_always_add_up_to_the_change_of_equity(
    trades: list[tuple[bool, int, int]], position: int, mark_twice: int
) -> None:
    rows = fills(*((1, "buy" if b else "sell", p, q, 10.0) for b, p, q in trades))
    signed = [(q if b else -q, p) for b, p, q in trades]
    end_position = position + sum(q for q, _ in signed)
    end_cash = -sum(q * p for q, p in signed)
    ends = samples((0, position, 0, 10.0), (2, end_position, end_cash, mark_twice / 2))
    realized, unrealized = realized_and_unrealized(rows, ends)
    assert (realized + unrealized) / 2 == equity(ends)[-1] / 1e6


def test_spreads_are_weighted_by_quantity_and_judged_some_seconds_later() -> None:
    captured, realized, adverse = spreads(ROUND_TRIP, AROUND, 5.0)
    assert captured == (3 * 1.0 + 2 * 1.0) / 5
    # mids 5 s later are those of second 2, the last sample before: 101 for both
    assert realized == (3 * (101 - 99) + 2 * (102 - 101)) / 5
    assert adverse == captured - realized


def test_fills_too_near_the_end_have_no_realized_spread() -> None:
    captured, realized, adverse = spreads(ROUND_TRIP, AROUND, 7.5)
    assert captured == 1.0
    assert realized == 101 - 99
    assert adverse == 1.0 - 2.0
    assert spreads(ROUND_TRIP, AROUND, 20.0) == (1.0, None, None)
    assert spreads(ROUND_TRIP[:0], AROUND, 5.0) == (None, None, None)


def test_a_takers_captured_spread_is_negative_and_unknown_mids_are_left_out() -> None:
    rows = fills((1, "buy", 101, 1, 100.0), (1, "sell", 50, 9, 0.0))
    assert spreads(rows, AROUND, 5.0)[0] == -1.0


def test_sharpe_is_mean_over_deviation_of_equal_intervals_annualized() -> None:
    cash = [0, 1, 3, 3, 4, 6, 6, 7, 9, 9, 10]  # changes 1 2 0 1 2 0 1 2 0 1 a second
    rows = [(second, 0, cash[second], 10.0) for second in range(11)]
    rows.insert(5, (4.5, 0, 4000, 10.0))  # within an interval: not looked at
    rows.append((10.9, 0, -5000, 10.0))  # in an unfinished one
    mean, deviation = 1.0, sqrt(6 / 9)  # six of the ten changes are 1 off
    ratio = sharpe_ratio(samples(*rows), 1.0)
    assert ratio == pytest.approx(mean / deviation)
    metrics = measure(fills(), samples(*rows), 0)
    assert metrics.sharpe == pytest.approx(ratio * sqrt(252 * 6.5 * 3600))
    assert TRADING_YEAR_S == 5_896_800


def test_sharpe_needs_ten_changes_and_some_movement() -> None:
    flat = samples(*((second, 0, 0, 10.0) for second in range(20)))
    assert sharpe_ratio(flat, 1.0) is None
    assert sharpe_ratio(flat[:10], 1.0) is None


def test_drawdown_is_the_largest_fall_below_an_earlier_peak() -> None:
    assert max_drawdown(np.array([0, 5, 3, 8, 2, 7, 9])) == 6
    assert max_drawdown(np.array([0, 1, 2])) == 0


def test_mean_position_is_weighted_by_time_from_fill_to_fill() -> None:
    # 3 lots from second 1 to 2, 1 lot from 2 to 9, none before
    assert mean_abs_position(ROUND_TRIP, AROUND) == (3 * 1 + 1 * 7) / 9
    assert mean_abs_position(fills(), samples((0, -4, 0, 1.0))) == 4.0


def test_fees_and_rebates_are_exact() -> None:
    ends = samples((0, 0, 0, 100.0), (9, 0, 0, 100.0), fees=-1)
    assert measure(fills(), ends, 0).pnl == 1e-6


def test_large_stocks_of_money_do_not_overflow() -> None:
    ends = samples((0, 10**6, 0, 10**9), (9, 10**6, 7, 10**9))
    assert measure(fills(), ends, 0).pnl == 7.0


def test_money_is_scaled_by_tick_and_lot_size() -> None:
    instrument = Instrument("SIM", Decimal("0.05"), Decimal(10))
    ends = samples((0, 0, 0, 100.0), (9, 1, -93, 98.5))
    money = in_money(measure(ROUND_TRIP, ends, 10), instrument)
    assert money.realized == pytest.approx(6.0 * 0.05 * 10)
    assert money.captured_spread == pytest.approx(1.0 * 0.05)
    assert money.position == 1
    assert money.sharpe is None


def test_rows_grow_and_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(SAMPLE)
    rows.extend((n, n, n, n, n) for n in range(3000))
    assert rows.array()["time_ns"].tolist() == list(range(3000))
    assert ROWS_MAX > 3000
    monkeypatch.setattr("strategies.record.ROWS_MAX", 3000)
    with pytest.raises(RecordFull):
        rows.append((1, 1, 1, 1, 1))
