"""Stress scenarios: each shock does what its name says, ends, and replays to the same bytes."""

import numpy as np
import pytest

from exchange.engine.codes import CommandKind, EventKind, Phase, RejectReason, ShockKind
from exchange.engine.invariants import check_invariants
from exchange.engine.participants import SHOCKS_MAX
from exchange.engine.records import COMMAND
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.scenario import MAGNITUDE_MAX, schedule
from exchange.simulation.step import advance, advance_batch

SECOND_NS = 10**9


def shock(markets, kind, magnitude=1.0, begin_s=2.0, end_s=12.0):
    """Schedule one shock in the first market, seconds from its present time."""
    now_ns = int(markets["now_ns"][0])
    command = np.zeros(1, COMMAND)[0]
    command.kind, command.side = int(CommandKind.SCHEDULE), int(kind)
    command.order_id = round(magnitude * 1_000)
    command.time_ns = now_ns + round(begin_s * SECOND_NS)
    command.expire_ns = now_ns + round(end_s * SECOND_NS)
    return schedule(markets, command)


def run(markets, seconds, slice_ns=SECOND_NS):
    """Advance the first market in slices; returns its mids (ticks) and the kinds of all events."""
    end_ns = int(markets["now_ns"][0] + seconds * SECOND_NS)
    mids, kinds = [], []
    while markets["now_ns"][0] < end_ns:
        advance(markets, 0, min(int(markets["now_ns"][0]) + slice_ns, end_ns))
        market = markets[0]
        kinds += market.events["kind"][: market.n_events].tolist()
        if market.best_bid and market.best_ask:
            mids.append(float(market.price_base + (market.best_bid + market.best_ask) / 2))
    return np.array(mids), kinds


@pytest.mark.parametrize(
    ("kind", "sign"), [(ShockKind.FLASH_CRASH, -1), (ShockKind.RALLY, 1)], ids=["crash", "rally"]
)
def test_forced_orders_move_the_price_and_it_comes_back(kind, sign):
    moves, rests = [], []
    for seed in range(6):
        markets, calm = (new_simulated_markets(1, [seed]) for _ in range(2))
        assert shock(markets, kind) == 0
        stressed, _ = run(markets, 80)
        undisturbed, _ = run(calm, 80)
        moves.append(sign * (stressed[4:12] - undisturbed[0]).mean())
        rests.append(abs(stressed[-20:].mean() - undisturbed[0]))
        check_invariants(markets[0])
    assert np.mean(moves) > 8, "ticks in the direction of the forced orders"
    assert np.mean(rests) < np.mean(moves), "the value has not changed, so the price comes back"


def test_news_moves_the_price_for_good_and_bad_news_down():
    for magnitude in (1.0, -1.0):
        markets = new_simulated_markets(1, [3], value_sd=0.0, jump_probability=0.0)
        assert shock(markets, ShockKind.NEWS_JUMP, magnitude, 1, 2) == 0
        mids, _ = run(markets, 120)
        assert np.sign(mids[-1] - mids[0]) == np.sign(magnitude)
        assert abs(mids[-30:].mean() - mids[0]) > 10


def test_a_drought_empties_the_book_and_a_spike_moves_it_more():
    dry, calm = (new_simulated_markets(1, [5]) for _ in range(2))
    shock(dry, ShockKind.LIQUIDITY_DROUGHT, 1.0, 1, 31)
    run(dry, 30)
    run(calm, 30)
    assert dry["n_resting"][0] < 0.6 * calm["n_resting"][0]
    spread_of_moves = []
    for magnitude in (0.0, 2.0):
        changes = []
        for seed in range(8):
            markets = new_simulated_markets(1, [seed])
            if magnitude:
                shock(markets, ShockKind.VOLATILITY_SPIKE, magnitude, 1, 100)
            mids, _ = run(markets, 90)
            changes.append(np.diff(mids).std())
        spread_of_moves.append(np.mean(changes))
    assert spread_of_moves[1] > 1.5 * spread_of_moves[0]


def test_a_halt_begins_and_ends_by_the_clock():
    markets = new_simulated_markets(1, [1])
    shock(markets, ShockKind.HALT, 1.0, 1, 3)
    _, kinds = run(markets, 2)
    assert markets["phase"][0] == Phase.HALTED
    assert kinds[-2:] == [EventKind.SHOCK_BEGAN, EventKind.HALTED]
    _, kinds = run(markets, 4)
    assert markets["phase"][0] == Phase.OPEN
    resumed = kinds.index(EventKind.RESUMED)
    assert not {EventKind.RESTED, EventKind.TRADED} & set(kinds[:resumed]), "entries in a halt"
    assert EventKind.RESTED in kinds[resumed:]


def test_halts_that_overlap_last_until_the_last_has_ended():
    markets = new_simulated_markets(1, [5])
    shock(markets, ShockKind.HALT, 1.0, 1, 3)
    shock(markets, ShockKind.HALT, 1.0, 2, 5)
    phases = []
    for _ in range(6):
        run(markets, 1)
        phases.append(Phase(markets["phase"][0]))
    halted, open_ = Phase.HALTED, Phase.OPEN
    assert phases == [halted, halted, halted, halted, open_, open_]


def test_after_its_shocks_a_market_acts_by_the_factors_it_had():
    markets = new_simulated_markets(1, [2], liquidity_factor=0.7)
    for kind in list(ShockKind)[1:]:
        assert shock(markets, kind, 0.3, 1, 5) == 0
    run(markets, 10)
    flow = markets["flow"][0]
    assert (flow["volatility_factor"], flow["liquidity_factor"]) == (1.0, 0.7)
    assert (flow["pressure"], flow["n_shocks_active"], flow["shock_next_ns"]) == (0.0, 0, 0)
    check_invariants(markets[0])


def test_a_stressed_market_is_the_same_bytes_in_one_call_and_in_many():
    whole, sliced, batch = (new_simulated_markets(1, [9]) for _ in range(3))
    for markets in (whole, sliced, batch):
        shock(markets, ShockKind.FLASH_CRASH, 1.0, 2, 9)
        shock(markets, ShockKind.HALT, 1.0, 5, 6)
        markets["n_events"] = 0
        markets["events"] = 0
    end_ns = int(whole["now_ns"][0]) + 20 * SECOND_NS
    run(whole, 20, slice_ns=20 * SECOND_NS)
    run(sliced, 20, slice_ns=10_000_000)
    advance_batch(batch, end_ns)
    for markets in (whole, sliced, batch):
        markets["n_events"] = 0
        markets["events"] = 0
    assert whole.tobytes() == sliced.tobytes() == batch.tobytes()


def test_a_shock_that_makes_no_sense_is_refused_and_changes_nothing_else():
    markets = new_simulated_markets(1, [1])
    refusals = [
        shock(markets, ShockKind.NONE),
        shock(markets, 99),
        shock(markets, ShockKind.RALLY, -1.0),
        shock(markets, ShockKind.RALLY, 0.0),
        shock(markets, ShockKind.RALLY, MAGNITUDE_MAX / 1_000 + 1),
        shock(markets, ShockKind.RALLY, 1.0, -1, 5),
        shock(markets, ShockKind.RALLY, 1.0, 5, 5),
    ]
    assert refusals == [-RejectReason.INVALID_SHOCK] * len(refusals)
    assert not markets["flow"]["shocks"]["kind"].any()


def test_a_full_timetable_refuses_and_a_past_shock_frees_its_place():
    markets = new_simulated_markets(1, [1])
    for _ in range(SHOCKS_MAX):
        assert shock(markets, ShockKind.VOLATILITY_SPIKE, 0.1, 1, 2) == 0
    assert shock(markets, ShockKind.VOLATILITY_SPIKE) == -RejectReason.TIMETABLE_FULL
    run(markets, 3)
    assert shock(markets, ShockKind.VOLATILITY_SPIKE) == 0
