"""Quotes and the strategies that make them, each formula against numbers worked out by hand."""

from dataclasses import dataclass
from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from make_view import make_view
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft, log_ratios
from strategies.momentum import Momentum
from strategies.registry import STRATEGIES, StrategyError, new_strategy
from strategies.skew import SkewMaker
from strategies.strategy import (
    DecisionError,
    Quote,
    Resting,
    Take,
    View,
    decision,
    quote_around,
)
from strategies.symmetric_mm import SymmetricMaker
from strategies.taker import RandomTaker

OURS = ("symmetric", "skew", "avellaneda_stoikov", "glft", "momentum", "taker")

# --- the quote that every maker ends with --------------------------------------------------------


def test_prices_are_rounded_outwards_to_whole_ticks() -> None:
    assert quote_around(make_view(), 99.9, 100.1, 3, 50) == Quote(99, 3, 101, 3)
    assert quote_around(make_view(), 99.0, 101.0, 3, 50) == Quote(99, 3, 101, 3)


def test_a_float_a_hair_beside_a_tick_is_that_tick() -> None:
    assert quote_around(make_view(), 100 - 3 * 0.1 - 0.7, 100 + 3 * 0.1 + 0.7, 1, 9) == Quote(
        99, 1, 101, 1
    )


def test_a_quote_never_trades_at_once() -> None:
    assert quote_around(make_view(), 103.0, 105.0, 1, 9) == Quote(101, 1, 105, 1)
    assert quote_around(make_view(), 95.0, 97.0, 1, 9) == Quote(95, 1, 99, 1)


def test_own_orders_do_not_hold_a_new_quote_back() -> None:
    view = make_view(asks=((101, 3), (104, 5)), own_ask=Resting(101, 3))
    assert quote_around(view, 101.0, 103.0, 3, 50).bid_price == 101
    shared = make_view(asks=((101, 4), (104, 5)), own_ask=Resting(101, 3))
    assert quote_around(shared, 101.0, 103.0, 3, 50).bid_price == 100


def test_a_side_is_cut_so_that_the_limit_holds_and_left_out_at_the_limit() -> None:
    assert quote_around(make_view(position=48), 99, 101, 3, 50) == Quote(99, 2, 101, 3)
    assert quote_around(make_view(position=50), 99, 101, 3, 50) == Quote(None, 0, 101, 3)
    assert quote_around(make_view(position=-50), 99, 101, 3, 50) == Quote(99, 3, None, 0)
    assert quote_around(make_view(position=70), 99, 101, 3, 50) == Quote(None, 0, 101, 3)


def test_the_exchanges_own_limit_counts_too() -> None:
    assert quote_around(make_view(position=9, position_max=10), 99, 101, 3, 50) == Quote(
        99, 1, 101, 3
    )


def test_infinite_distances_leave_a_side_out() -> None:
    assert quote_around(make_view(), -inf, 101.0, 3, 50) == Quote(None, 3, 101, 3)
    assert quote_around(make_view(), 99.0, inf, 3, 50) == Quote(99, 3, None, 3)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.integers(-60, 60), st.integers(1, 9))
def test_any_prices_make_a_quote_that_the_exchange_would_take(
    bid: float, ask: float, position: int, quantity: int
) -> None:
    quote = quote_around(make_view(position=position), bid, ask, quantity, 50)
    if quote.bid_price is not None:
        assert 0 < quote.bid_price < 102
        assert 0 < quote.bid_quantity <= 50 - position
    if quote.ask_price is not None:
        assert 98 < quote.ask_price < 2**31
        assert 0 < quote.ask_quantity <= 50 + position


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bid_price": 5, "bid_quantity": 1, "ask_price": 5, "ask_quantity": 1}, "not below"),
        ({"bid_price": 5.0, "bid_quantity": 1}, "whole ticks"),
        ({"ask_price": 5, "ask_quantity": 0}, "above 0"),
        ({"ask_price": 5, "ask_quantity": 10**30}, "can be sent"),
        ({"bid_price": 10**30, "bid_quantity": 1}, "can be sent"),
    ],
)
def test_a_quote_that_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Quote(**fields)


def test_whole_numbers_of_numpy_become_plain_ones() -> None:
    quote = Quote(np.int64(5), 1, np.int32(7), np.uint8(2), Take(True, np.int64(9), 1))  # type: ignore[arg-type]
    assert quote == Quote(5, 1, 7, 2, Take(True, 9, 1))
    assert {type(quote.bid_price), type(quote.ask_quantity), type(quote.take.price)} == {int}  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="can be sent"):
        Take(True, 5, 2**63)


# --- the makers ----------------------------------------------------------------------------------


def test_the_symmetric_maker_ignores_its_position() -> None:
    maker = SymmetricMaker(half_spread=1.0, quantity=2)
    assert maker.decide(make_view(position=7)) == Quote(99, 2, 101, 2)
    assert maker.decide(make_view(bids=((99, 1),))) == Quote(99, 2, 102, 2)  # mid 100.5


def test_the_skew_maker_leans_against_its_position() -> None:
    maker = SkewMaker(half_spread=1.0, skew=0.3, quantity=3)
    assert maker.prices(100.0, 0) == (99.0, 101.0)
    assert maker.prices(100.0, 5) == (97.5, 99.5)
    assert maker.decide(make_view(position=5)) == Quote(97, 3, 100, 3)
    assert maker.decide(make_view(position=-5)) == Quote(100, 3, 103, 3)


def test_avellaneda_stoikov_with_a_finite_horizon() -> None:
    maker = AvellanedaStoikov(risk_aversion=0.1, fill_decay=1.5, time_left_max_s=1.0)
    margin = log(1 + 0.1 / 1.5) / 0.1
    # g s^2 t = 0.1 * 4 * 0.5 = 0.2: reservation 100 - 3 * 0.2, half spread 0.1 + margin
    assert maker.prices(100.0, 3, 2.0, 0.5) == pytest.approx((99.3 - margin, 99.5 + margin))
    assert maker.prices(100.0, 3, 2.0, 9.0) == maker.prices(100.0, 3, 2.0, 1.0)
    assert maker.prices(100.0, 3, 2.0, 0.0) == pytest.approx((100 - margin, 100 + margin))


def test_avellaneda_stoikov_with_an_infinite_horizon() -> None:
    maker = AvellanedaStoikov(risk_aversion=0.5, fill_decay=1.5, horizon="infinite", position_max=4)
    margin = log(1 + 0.5 / 1.5) / 0.5
    # w' - q^2 with w' = 25: 25 at 0, 24 at 1, 21 at 2
    bid, ask = maker.prices(100.0, 1, 2.0)
    assert bid == pytest.approx(100 + log(21 / 24) / 0.5 - margin)
    assert ask == pytest.approx(100 - log(25 / 24) / 0.5 + margin)
    assert maker.prices(100.0, 4, 2.0)[0] == -inf
    assert maker.prices(100.0, -4, 2.0)[1] == inf
    assert maker.decide(make_view(position=4, volatility=2.0)).bid_price is None
    assert maker.prices(100.0, 2, 0.0) == pytest.approx((100 - margin, 100 + margin))


def test_glft_gives_the_papers_depths() -> None:
    exact = Glft(0.01, 0.3, 0.9, 0.4, "exact", quantity=1, position_max=30)
    assert exact.depths(0, 0.4, 600.0) == pytest.approx((3.3245, 3.3245), abs=5e-5)
    assert exact.depths(1, 0.4, 600.0) == pytest.approx((3.4154, 3.2335), abs=5e-5)
    assert exact.depths(-1, 0.4, 600.0) == pytest.approx((3.2335, 3.4154), abs=5e-5)
    closed = Glft(0.01, 0.3, 0.9, 0.4, "closed_form", quantity=1, position_max=30)
    assert closed.depths(0, 0.4) == pytest.approx((3.3242, 3.3242), abs=5e-5)


@pytest.mark.parametrize("time_left_s", [0.0, 3.0, 40.0, 600.0])
def test_the_exact_form_solves_its_differential_equation(time_left_s: float) -> None:
    """Against the matrix exponential of the whole tridiagonal matrix."""
    g, k, rate, s, q_max = 0.05, 0.6, 0.5, 0.3, 12
    a, b = k * g * s**2 / 2, rate * (1 + g / k) ** -(1 + k / g)
    q = np.arange(-q_max, q_max + 1)
    matrix = np.diag(a * q**2.0) - b * (np.eye(len(q), k=1) + np.eye(len(q), k=-1))
    v = linalg.expm(-matrix * time_left_s).sum(axis=1)
    ours = log_ratios(g, k, rate, s, q_max, time_left_s)
    np.testing.assert_allclose(ours[:-1], np.log(v[:-1] / v[1:]), rtol=1e-9, atol=1e-10)
    assert ours[-1] == inf


def test_glft_stops_quoting_the_side_that_would_pass_its_limit() -> None:
    maker = Glft(form="exact", position_max=5)
    assert maker.depths(5, 0.44)[0] == inf
    assert maker.depths(-5, 0.44)[1] == inf
    assert maker.decide(make_view(position=5)).bid_price is None
    with pytest.raises(ValueError, match="at most 60"):
        Glft(form="exact", position_max=61)


def test_momentum_follows_a_trend_and_leaves_it() -> None:
    trader = Momentum(fast_s=1.0, slow_s=10.0, entry=1.0, exit=0.2, quantity=5)

    def at(second: int, mid: int, position: int) -> Take | None:
        levels = {"bids": ((mid - 1, 3),), "asks": ((mid + 1, 3),)}
        view = make_view(time_ns=second * 10**9, position=position, **levels)
        return trader.decide(view).take

    assert at(0, 100, 0) is None
    assert at(1, 104, 0) == Take(is_buy=True, price=105, quantity=3)  # no more than is there
    assert at(2, 104, 3) == Take(is_buy=True, price=105, quantity=2)
    assert at(3, 104, 5) is None
    takes = [at(second, 104, 5) for second in range(4, 60)]
    assert takes[-1] == Take(is_buy=False, price=103, quantity=3)  # the trend is over


def test_the_random_taker_repeats_itself_with_its_seed_alone() -> None:
    def takes(seed: int) -> list[Take | None]:
        taker = RandomTaker(rate=1.0, quantity=3, seed=seed)
        views = [make_view(time_ns=n * 250_000_000) for n in range(400)]
        return [taker.decide(view).take for view in views]

    assert takes(1) == takes(1) != takes(2)
    taken = [take for take in takes(1) if take is not None]
    assert 60 < len(taken) < 120  # 88 expected of 99.75 s at probability 1 - exp(-1/4) a view
    assert {take.quantity for take in taken} == {1, 2, 3}
    assert {take.price for take in taken if take.is_buy} == {102}


def test_the_random_taker_keeps_its_limit() -> None:
    taker = RandomTaker(rate=1e9, position_max=5)
    taker.decide(make_view())
    for n in range(1, 50):
        view = make_view(time_ns=n * 10**9, position=5)
        take = taker.decide(view).take
        assert take is None or not take.is_buy


@pytest.mark.parametrize("name", OURS)
def test_every_strategy_takes_an_empty_market_calmly(name: str) -> None:
    strategy = new_strategy(name)
    for n in range(20):
        strategy.decide(make_view(bids=(), asks=(), time_ns=n * 10**9))


@pytest.mark.parametrize("name", OURS)
def test_every_strategy_names_its_source(name: str) -> None:
    assert STRATEGIES[name].__doc__
    assert any(
        year in STRATEGIES[name].__doc__ for year in ("1981", "1992", "1993", "2008", "2013")
    )


# --- by name, with parameters --------------------------------------------------------------------


def test_strategies_are_made_by_name_with_typed_parameters() -> None:
    strategy = new_strategy("skew", ["skew=0.2", "quantity=5"])
    assert strategy == SkewMaker(skew=0.2, quantity=5)
    assert new_strategy("glft", ["form=exact"]) == Glft(form="exact")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("skwe", [], "choose symmetric, skew, .*taker, or path"),
        ("skew", ["half"], "not key=value"),
        ("skew", ["half=1"], r"no parameter 'half'; it has: half_spread=1\.0, skew="),
        ("skew", ["quantity=1.5"], "quantity is a whole number"),
        ("skew", ["skew=much"], "skew is a number"),
        ("skew", ["skew=-1"], "skew must be 0 or above"),
        ("skew", ["half_spread=nan"], "half_spread must be"),
        ("glft", ["form=roman"], "form is one of closed_form, exact"),
        ("momentum", ["_holding=1"], "no parameter"),
        ("no/file.py:X", [], "no file no/file.py"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_right_ones(
    name: str, parameters: list[str], message: str
) -> None:
    with pytest.raises(StrategyError, match=message):
        new_strategy(name, parameters)


OWN = """
from __future__ import annotations
from dataclasses import dataclass
from strategies.strategy import Quote, View

@dataclass
class Mine:
    away: int = 2
    boldly: bool = False

    def decide(self, view: View) -> Quote:
        return Quote(view.best_bid - self.away, 1, view.best_ask + self.away, 1)

class Plain:
    def decide(self, view):
        return Quote()

class NoStrategy:
    pass
"""


def test_an_own_strategy_is_loaded_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    strategy = new_strategy(f"{path}:Mine", ["away=5", "boldly=true"])
    assert strategy.decide(make_view()) == Quote(93, 1, 107, 1)
    assert new_strategy(f"{path}:Plain").decide(make_view()) == Quote()
    for name, parameters, message in (
        ("Yours", [], "with a decide method: Mine, Plain"),
        ("NoStrategy", [], "no method decide"),
        ("Plain", ["away=1"], "it has: none"),
        ("Mine", ["boldly=1"], "true or false"),
    ):
        with pytest.raises(StrategyError, match=message):
            new_strategy(f"{path}:{name}", parameters)


def test_a_file_that_does_not_load_says_why(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import not_a_module_of_anybody\n")
    with pytest.raises(StrategyError, match="ModuleNotFoundError"):
        new_strategy(f"{path}:X")


def test_a_strategy_needs_nothing_but_decide() -> None:
    @dataclass
    class Still:
        def decide(self, view: View) -> Quote:
            return Quote()

    assert Still().decide(make_view()) == Quote()


def test_what_is_no_quote_is_named_to_its_author() -> None:
    class Forgetful:
        def decide(self, view: View) -> Quote:
            return None  # type: ignore[return-value]

    with pytest.raises(DecisionError, match=r"Forgetful\.decide returned None, not a Quote"):
        decision(Forgetful(), make_view())


FAILING = """
from helper_beside import price_of

class Failing:
    def decide(self, view):
        bid = price_of(view)
        return quote(bid)

def quote(bid):
    return bid / 0
"""


def test_a_failure_is_told_with_its_place_in_the_strategys_own_file(tmp_path: Path) -> None:
    (tmp_path / "helper_beside.py").write_text("def price_of(view):\n    return view.best_bid\n")
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    strategy = new_strategy(f"{path}:Failing")
    with pytest.raises(DecisionError) as failed:
        decision(strategy, make_view())
    assert str(failed.value) == (
        f"Failing.decide failed: ZeroDivisionError: division by zero ({path}, line 10)"
    )


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((99, None), "bid_quantity: prices and quantities are whole"),
        ((-5, 1), "bid: a price is 1 tick or more, not -5"),
        ((0, 1), "bid: a price is 1 tick or more, not 0"),
    ],
)
def test_a_quote_that_no_exchange_reads_is_refused(numbers: tuple[Any, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Quote(*numbers)


def test_a_quote_around_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bid nan and ask 101\.0 must be numbers"):
        quote_around(make_view(), float("nan"), 101.0, 1, 10)
