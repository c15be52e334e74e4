"""What a policy is given to see: each number by example, bounded always, the same live and offline."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.engine.records import ACCOUNT, DEPTH, N_DEPTH
from strategies.features import (
    NAMES,
    NO_PREDICTOR,
    PREDICTOR_INPUTS,
    PRESETS,
    PRIVATE,
    Features,
    check_predictor,
    feature_columns,
    feature_names,
    new_histories,
    observe_rows,
)
from strategies.history import AHEAD_UNKNOWN, OWN_QUOTE, lots_at
from strategies.observe import FEATURE_MAX, FEATURES, N_LEVELS_SUMMED, sum_side
from strategies.strategy import Resting

STEP_NS = 250_000_000
SCALED = {name: (scale, shift) for name, scale, shift in FEATURES}


def new_depth(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], **others: int
) -> np.ndarray[Any, Any]:
    depth = np.zeros(1, DEPTH)[0]
    depth.last_price = 100
    for side, levels in (("bid", bids), ("ask", asks)):
        for i, (price, lots) in enumerate(levels):
            depth[f"{side}_price"][i], depth[f"{side}_quantity"][i] = price, lots
    for name, value in others.items():
        depth[name] = value
    return depth


def new_view(
    depth: Any, *, own_bid: Any = None, own_ask: Any = None, left: float = np.inf, **account: int
) -> Any:
    record = np.zeros(1, ACCOUNT)[0]
    for name, value in account.items():
        record[name] = value
    return SimpleNamespace(
        depth=depth, account=record, own_bid=own_bid, own_ask=own_ask, time_left_s=left
    )


def seen(features: Features, view: Any) -> dict[str, float]:
    """The features of one more observation, with scale and shift taken off again."""
    values = features.observe(view)
    pairs = zip(features.names, values.tolist(), strict=True)
    return {name: (value - SCALED[name][1]) / SCALED[name][0] for name, value in pairs}


BOOK = ([(99, 4), (98, 6), (97, 5)], [(102, 2), (103, 3), (105, 5)])


def test_the_default_preset_is_the_thirteen_numbers_in_their_order():
    assert PRESETS["default"] == (
        "mid_change",
        "spread",
        "relative_spread",
        "bid_depth",
        "ask_depth",
        "depth_imbalance",
        "order_flow_imbalance",
        "return_1s",
        "return_5s",
        "realized_volatility",
        "average_volume",
        "mid_skew",
        "inventory",
    )
    assert PRESETS["default+predictor"] == (*PRESETS["default"], "score")


def test_the_extended_preset_shows_the_private_state():
    for name in ("inventory", "position", "time_left", "own_bid_ahead", "own_ask_lots"):
        assert name in PRESETS["extended"]
        assert name in PRIVATE
        assert name not in PREDICTOR_INPUTS


def test_a_first_look_at_a_book():
    values = seen(Features("extended"), new_view(new_depth(*BOOK)))

    assert values["spread"] == pytest.approx(3)
    assert values["bid_depth"] == pytest.approx(15**0.5, abs=1e-5)
    assert values["depth_imbalance"] == pytest.approx(5 / 25, abs=1e-6)
    assert values["touch_imbalance"] == pytest.approx(2 / 6, abs=1e-6)
    assert values["mid_skew"] == pytest.approx(1.5 * 2 / 6, abs=1e-6)
    assert values["half_tick"] == 1
    assert values["mid_change"] == values["return_1s"] == values["order_flow_imbalance"] == 0
    assert values["time_left"] == 1


def test_own_quotes_are_no_part_of_the_market():
    alone = Features("market").observe(new_view(new_depth(*BOOK)))
    with_own = new_depth([(100, 7), *BOOK[0]], [(102, 8), (103, 3), (105, 5)])
    view = new_view(with_own, own_bid=Resting(100, 7), own_ask=Resting(102, 6))

    assert Features("market").observe(view).tobytes() == alone.tobytes()


def test_order_flow_imbalance_counts_what_came_to_each_best_price():
    features = Features("extended")
    features.observe(new_view(new_depth(*BOOK)))
    # a better bid of 3 lots came; the best ask lost one of its two lots: 3 - (-1)
    after = new_depth([(100, 3), *BOOK[0]], [(102, 1), (103, 3), (105, 5)], time_ns=STEP_NS)

    assert seen(features, new_view(after))["flow_slow"] == pytest.approx(4, abs=1e-4)


def test_returns_look_back_one_and_five_seconds_of_market_time():
    features = Features("extended")
    for step in range(21):
        bid = 99 if step < 17 else 100  # the mid rises by half a tick at 4.25 s
        view = new_view(new_depth([(bid, 4)], [(102, 2)], time_ns=step * STEP_NS))
        values = seen(features, view)
    assert values["return_1s"] == pytest.approx(0.5)
    assert values["return_5s"] == pytest.approx(0.5)
    view = new_view(new_depth([(100, 4)], [(102, 2)], time_ns=22 * STEP_NS))
    values = seen(features, view)  # a pause of half a second: the rise is 1.25 s ago
    assert (values["return_1s"], values["return_5s"]) == (0, pytest.approx(0.5))


def test_time_left_is_cut_at_250_seconds():
    features = Features(["time_left"])
    left = [seen(features, new_view(new_depth(*BOOK), left=s))["time_left"] for s in (1e9, 125, 0)]
    assert left == [1, 0.5, 0]


def test_the_queue_before_an_own_order_only_gets_shorter():
    features = Features(["own_bid_ahead"])

    def ahead(lots_at_99: int, own: Resting | None, bought: int = 0) -> float:
        depth = new_depth([(99, lots_at_99), (98, 6)], [(102, 2)])
        view = new_view(depth, own_bid=own, bought=bought)
        return round(seen(features, view)["own_bid_ahead"] ** 2)

    assert ahead(4, None) == 0
    assert ahead(9, Resting(99, 3)) == 4  # 4 rested when it came, 2 more came behind it
    assert ahead(5, Resting(99, 3)) == 2  # at most 2 others are left
    assert ahead(9, Resting(99, 3)) == 2  # newcomers stand behind
    assert ahead(8, Resting(99, 2)) == 2  # cut by a lot where it stands
    assert ahead(7, Resting(99, 1), bought=1) == 0  # a part of it was filled: it is the first
    assert ahead(9, Resting(99, 4), bought=1) == 5  # more lots than before: a new order at the end


def test_the_average_entry_price_follows_the_fills():
    features = Features(["entry_distance"])

    def distance(position: int, cash: int, bought: int, sold: int) -> float:
        depth = new_depth([(99, 4)], [(101, 4)])
        view = new_view(depth, position=position, cash=cash, bought=bought, sold=sold)
        return seen(features, view)["entry_distance"]

    assert distance(0, 0, 0, 0) == 0
    assert distance(2, -198, 2, 0) == pytest.approx(1)  # bought 2 at 99, the mid is 100
    assert distance(4, -198 - 194, 4, 0) == pytest.approx(2)  # 2 more at 97: 98 on average
    assert distance(1, -392 + 303, 4, 3) == pytest.approx(2)  # selling 3 at 101 changes nothing
    assert distance(-2, -89 + 303, 4, 6) == pytest.approx(1)  # through zero: short 2 from 101
    assert distance(0, 214 - 200, 6, 6) == 0


def test_a_side_that_is_empty_keeps_the_last_known_mid():
    features = Features("extended")
    features.observe(new_view(new_depth(*BOOK)))
    values = seen(features, new_view(new_depth([(90, 1)], [], time_ns=STEP_NS)))
    assert values["mid_change"] == 0
    assert values["spread"] == pytest.approx(FEATURE_MAX + 2)  # unknown: as wide as it is shown


def test_the_score_is_a_small_network_over_what_everybody_sees():
    predictor = np.zeros((2, len(PREDICTOR_INPUTS) + 2))
    imbalance = PREDICTOR_INPUTS.index("touch_imbalance")
    predictor[0, imbalance], predictor[0, -1] = 1.0, 0.6  # 0.6 max(x, 0) - 0.5 max(0.1, 0)
    predictor[1, -2:] = 0.1, -0.5
    features = Features(["touch_imbalance", "score"], predictor)
    shown = features.observe(new_view(new_depth(*BOOK)))
    expected = 0.6 * float(shown[0]) - 0.05
    assert shown[1] / SCALED["score"][0] == pytest.approx(expected, abs=1e-6)


levels = st.lists(st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)), max_size=N_DEPTH)
big = st.integers(-(2**62), 2**62)
looks = st.lists(
    st.tuples(levels, levels, st.integers(0, 2**62), big, big, st.integers(-(10**6), 10**6), big),
    min_size=1,
    max_size=5,
)


@given(looks, st.floats(0, allow_nan=False))
def test_every_feature_is_finite_and_bounded_whatever_is_seen(looks, left):
    features = Features("extended+predictor")
    for bids, asks, time_ns, bought, sold, position, cash in looks:
        bids = sorted(bids, reverse=True)
        depth = new_depth(bids, sorted(asks), time_ns=time_ns, bought=bought, sold=sold)
        own = Resting(*bids[0]) if bids else None
        view = new_view(
            depth, own_bid=own, left=left, position=position, cash=cash, bought=abs(position)
        )
        values = features.observe(view)
        assert np.isfinite(values).all()
        assert (np.abs(values) <= FEATURE_MAX).all()


def test_a_fill_that_the_book_shows_first_leaves_no_negative_depth():
    features = Features("extended")
    depth = new_depth([(99, 1)], [(101, 4)])  # two of the own three lots have traded already
    values = features.observe(new_view(depth, own_bid=Resting(99, 3)))
    assert np.isfinite(values).all()
    assert values[features.names.index("bid_depth")] == -FEATURE_MAX


def test_a_row_of_a_batch_is_what_one_trader_sees():
    random = np.random.default_rng(7)
    live, n = [Features("extended") for _ in range(3)], 3
    histories, out = new_histories(n), np.zeros((n, len(live[0].names)), np.float32)
    accounts, owns = np.zeros(n, ACCOUNT), np.zeros(n, OWN_QUOTE)
    for step in range(30):
        depths = np.zeros(n, DEPTH)
        for i in range(n):
            bid = int(random.integers(90, 100))
            lots = random.integers(1, 30, 4).tolist()
            depths[i] = new_depth(
                [(bid, lots[0]), (bid - 1, lots[1])],
                [(bid + 2, lots[2]), (bid + 3, lots[3])],
                time_ns=step * STEP_NS,
                bought=step * 3,
            )
        left = np.full(n, 10.0 - step / 4)
        observe_rows(
            depths,
            accounts,
            owns,
            left,
            1,
            histories,
            NO_PREDICTOR,
            feature_columns("extended"),
            out,
        )
        for i in range(n):
            view = new_view(depths[i], left=float(left[i]))
            assert live[i].observe(view).tobytes() == out[i].tobytes()


def test_features_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="unknown features 'deep'"):
        feature_names("deep")
    with pytest.raises(ValueError, match="unknown feature 'alpha'"):
        feature_names(["spread", "alpha"])
    with pytest.raises(ValueError, match="at least one"):
        feature_names([])
    assert feature_names(list(NAMES)) == NAMES


def test_a_predictor_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="columns"):
        check_predictor(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="finite"):
        check_predictor(np.full((1, len(PREDICTOR_INPUTS) + 2), np.nan))


def test_lots_at_a_price_are_those_of_all_levels_looked_through_one_by_one():
    random = np.random.default_rng(11)
    n_afar = n_beyond = 0
    for _ in range(2_000):
        n_levels, sign = int(random.integers(0, 11)), int(random.choice([-1, 1]))
        ticks = np.cumsum(random.integers(1, 4, n_levels))
        prices, lots = np.zeros(10, np.int32), np.zeros(10, np.int32)
        prices[:n_levels], lots[:n_levels] = 100 + sign * ticks, random.integers(1, 30, n_levels)
        price = int(random.choice([0, *range(60, 141)]))
        listed = dict(zip(prices[:n_levels].tolist(), lots[:n_levels].tolist(), strict=True))
        away = abs(price - int(prices[0]))
        is_beyond = n_levels == 10 and price != 0 and away > abs(int(prices[9]) - int(prices[0]))
        at_price = AHEAD_UNKNOWN if is_beyond else listed.get(price, 0)
        assert lots_at(prices, lots, price) == at_price
        n_afar, n_beyond = n_afar + (price in prices[3:n_levels]), n_beyond + is_beyond

        own = min(5, lots[:N_LEVELS_SUMMED][prices[:N_LEVELS_SUMMED] == price].sum())
        alone = 0 < own == listed.get(price, 0)
        others = lots[:N_LEVELS_SUMMED].sum() - own + (lots[N_LEVELS_SUMMED] if alone else 0)
        assert sum_side(prices, lots, price, 5 if price else 0, at_price) == (
            others if price else lots[:N_LEVELS_SUMMED].sum()
        )
    assert n_afar > 10
    assert n_beyond > 50
