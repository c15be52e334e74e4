"""The clock with participants: however it is moved, on how many threads, one story comes out."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numba
import numpy as np
import pytest

from exchange.engine.codes import (
    CommandKind,
    EventKind,
    Phase,
    RejectReason,
    ShockKind,
    TimeInForce,
)
from exchange.engine.door import Door
from exchange.engine.invariants import check_invariants
from exchange.engine.records import COMMAND, DEPTH, LIVE_MARKET, Markets, new_markets
from exchange.simulation.presets import PRESETS, new_simulated_markets
from exchange.simulation.step import advance, advance_batch, advance_market, apply, step_batch
from market_kit import state

MS = 1_000_000
SECOND = 1_000 * MS
STEP = 250 * MS
STRANGER = 4


def body(markets: Markets) -> bytes:
    """All of a market but its event buffer, which depends on who reads it when."""
    copy = markets.copy()
    copy["events"] = 0
    copy["n_events"] = 0
    return copy.tobytes()


def move(markets: Markets, until_ns: int, slice_ns: int) -> list[bytes]:
    """Advance in slices; returns every event on the way."""
    events = []
    while markets["now_ns"][0] < until_ns:
        advance(markets, 0, min(until_ns, int(markets["now_ns"][0]) + slice_ns))
        events += [event.tobytes() for event in markets["events"][0, : markets["n_events"][0]]]
    return events


def stranger_commands(rng: np.random.Generator, now_ns: int, mid: int) -> np.ndarray:
    """Some orders of account 4 around the mid: takers, makers, and ones that expire."""
    commands = np.zeros(rng.integers(1, 4), COMMAND)
    for command in commands:
        command["kind"] = CommandKind.ENTER
        command["account"] = STRANGER
        command["side"] = rng.integers(2)
        command["price"] = mid + rng.integers(-3, 4)
        command["quantity"] = rng.integers(1, 9)
        command["options"] = rng.choice([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD])
        command["expire_ns"] = now_ns + int(rng.integers(1, 2_000)) * MS
    return commands


def session(markets: Markets, slice_ns: int, seed: int) -> list[bytes]:
    """Half a minute with a stranger who trades, a halt and a resumption; returns every event."""
    rng = np.random.default_rng(seed)
    events: list[bytes] = []
    start_ns = int(markets["now_ns"][0])
    for second in range(1, 31):
        now_ns = start_ns + second * SECOND + int(rng.integers(90)) * 10 * MS
        events += move(markets, now_ns, slice_ns)
        commands = list(stranger_commands(rng, now_ns, int(markets["last_price"][0])))
        if second in (10, 15):
            commands.append(np.zeros((), COMMAND))
            commands[-1]["kind"] = CommandKind.HALT if second == 10 else CommandKind.RESUME
        for command in commands:
            apply(markets, np.array([command], COMMAND)[0])
            events += [event.tobytes() for event in markets["events"][0, : markets["n_events"][0]]]
    return events


@pytest.mark.parametrize("preset", ["default", "poisson", "empty"])
def test_a_second_in_one_call_or_in_slices_of_10_ms_is_the_same_second(preset):
    whole = new_simulated_markets(1, [11], preset=preset)
    sliced = whole.copy()
    assert session(whole, 3_600 * SECOND, seed=5) == session(sliced, 10 * MS, seed=5)
    assert body(whole) == body(sliced)
    check_invariants(whole[0])


@pytest.mark.parametrize("slice_ns", [3_600 * SECOND, 333 * MS])
@pytest.mark.parametrize("preset", ["default", "volatile", "noise", "poisson"])
def test_a_silent_market_plays_its_steps_at_once_and_comes_out_the_same(preset, slice_ns):
    """Where nobody reads the events, steps are not played order by order in their time."""
    loud = new_simulated_markets(1, [11], preset=preset)
    silent = loud.copy()
    silent["silent"] = 1
    for markets in (loud, silent):
        for kind, after_ms in ((ShockKind.FLASH_CRASH, 4_130), (ShockKind.HALT, 17_777)):
            begin_ns = int(markets["now_ns"][0]) + after_ms * MS
            command = np.zeros(1, COMMAND)[0]
            command["kind"], command["side"], command["order_id"] = CommandKind.SCHEDULE, kind, 400
            command["time_ns"], command["expire_ns"] = begin_ns, begin_ns + 3_100 * MS
            assert apply(markets, command) == 0
    assert len(session(loud, 3_600 * SECOND, seed=5)) > 50
    assert session(silent, slice_ns, seed=5) == []
    assert state(silent[0]) == state(loud[0])


def test_a_live_sized_market_does_not_mind_the_slices_either():
    whole = new_simulated_markets(1, [2], dtype=LIVE_MARKET, open_price=50_000)
    sliced = whole.copy()
    until_ns = int(whole["now_ns"][0]) + 10 * SECOND
    assert move(whole, until_ns, 10 * SECOND) == move(sliced, until_ns, 10 * MS)
    assert body(whole) == body(sliced)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = (new_simulated_markets(1, [seed]) for seed in (8, 8, 9))
    for markets in (first, again, other):
        advance_batch(markets, 60 * SECOND)
    assert first.tobytes() == again.tobytes()
    assert body(first) != body(other)


def test_a_batch_is_its_markets_one_by_one_on_any_number_of_threads():
    start = new_simulated_markets(70, preset="default", volatility_factor=np.linspace(0, 4, 70))
    serial, parallel, default = start.copy(), start.copy(), start.copy()
    advance_batch(serial, 40 * SECOND, 1)
    advance_batch(parallel, 40 * SECOND, numba.config.NUMBA_NUM_THREADS)
    advance_batch(default, 40 * SECOND)
    assert serial.tobytes() == parallel.tobytes() == default.tobytes()
    for row in (0, 33, 69):
        alone = start[row : row + 1].copy()
        while alone["now_ns"][0] < 40 * SECOND:
            advance(alone, 0, 40 * SECOND)
        assert body(alone) == body(serial[row : row + 1])


def test_each_market_of_a_batch_goes_to_its_own_time_and_never_back():
    markets = new_simulated_markets(3, preset="default")
    before = markets[0].tobytes()
    start_ns = int(markets["now_ns"][0])
    advance_batch(markets, np.array([start_ns - SECOND, start_ns, start_ns + SECOND]))
    assert markets["now_ns"].tolist() == [start_ns, start_ns, start_ns + SECOND]
    assert markets[0].tobytes() == before


def test_a_batch_step_writes_the_depth_after_it():
    markets = new_simulated_markets(80)
    depths, serial = np.zeros(80, DEPTH), np.zeros(80, DEPTH)
    again = markets.copy()
    step_batch(markets, 11 * SECOND, depths)
    step_batch(again, 11 * SECOND, serial, 1)
    assert depths.tobytes() == serial.tobytes()
    assert (depths["time_ns"] == 11 * SECOND).all()
    assert (depths["bid_price"][:, 0] == markets["price_base"] + markets["best_bid"]).all()


def test_a_long_way_stops_when_the_events_are_full_and_goes_on_when_called_again():
    markets = new_simulated_markets(1)
    until_ns = int(markets["now_ns"][0]) + 600 * SECOND
    sequence, n_calls = int(markets["sequence"][0]), 0
    while markets["now_ns"][0] < until_ns:
        assert advance(markets, 0, until_ns) == 0
        events = markets["events"][0, : markets["n_events"][0]]
        expected = np.arange(sequence + 1, sequence + 1 + len(events))
        assert np.array_equal(events["sequence"], expected)
        sequence, n_calls = sequence + len(events), n_calls + 1
    assert n_calls > 10
    forgetful = new_simulated_markets(1)
    advance_market(forgetful[0], until_ns)
    assert body(forgetful) == body(markets)


def test_the_advance_command_moves_the_participants_too():
    called, commanded = new_simulated_markets(1), new_simulated_markets(1)
    command = np.zeros(1, COMMAND)[0]
    command["kind"], command["time_ns"] = CommandKind.ADVANCE, 12 * SECOND
    assert advance(called, 0, 12 * SECOND) == apply(commanded, command) == 0
    assert called.tobytes() == commanded.tobytes()
    assert called["n_events"][0] > 0


def test_a_shock_is_scheduled_by_a_command_like_any_other():
    markets = new_simulated_markets(1)
    command = np.zeros(1, COMMAND)[0]
    command["kind"], command["side"] = CommandKind.SCHEDULE, ShockKind.HALT
    command["order_id"] = 1_000
    command["time_ns"], command["expire_ns"] = 11 * SECOND, 12 * SECOND
    assert apply(markets, command) == 0
    advance(markets, 0, 11 * SECOND)
    assert markets["phase"][0] == Phase.HALTED
    advance(markets, 0, 12 * SECOND)
    assert markets["phase"][0] == Phase.OPEN


def test_a_clock_cannot_run_backwards_nor_an_unknown_market_forwards():
    markets = new_simulated_markets(1)
    assert advance(markets, 0, 0) == -RejectReason.INVALID_TIME
    assert markets["events"][0, 0]["kind"] == EventKind.REJECTED
    before = markets.tobytes()
    assert advance(markets, 1, 60 * SECOND) == -RejectReason.UNKNOWN_INSTRUMENT
    assert markets.tobytes() == before


def test_without_participants_only_the_clock_moves_and_orders_expire():
    markets = new_markets(1)
    door = Door(markets)
    door.enter(0, STRANGER, 0, 9_990, 5, int(TimeInForce.GTD), 700 * MS)
    door.enter(0, STRANGER, 0, 9_980, 5, int(TimeInForce.GTC), 0)
    advance(markets, 0, 500 * MS)
    assert (markets["now_ns"][0], markets["n_events"][0]) == (500 * MS, 0)
    advance(markets, 0, SECOND)
    (event,) = markets["events"][0, : markets["n_events"][0]]
    assert (event["kind"], event["time_ns"]) == (EventKind.CANCELED, 700 * MS)
    assert (markets["now_ns"][0], markets["n_resting"][0]) == (SECOND, 1)
    assert markets["n_entered"][0] == 2


def test_in_a_halt_no_order_comes_but_time_and_the_hidden_value_move_on():
    markets = new_simulated_markets(1)
    command = np.zeros(1, COMMAND)[0]
    command["kind"] = CommandKind.HALT
    apply(markets, command)
    before = markets.copy()
    advance(markets, 0, int(markets["now_ns"][0]) + 20 * SECOND)
    assert markets["phase"][0] == Phase.HALTED
    assert markets["n_events"][0] == 0
    assert markets["sequence"][0] == before["sequence"][0]
    assert markets["flow"]["value"][0] != before["flow"]["value"][0]
    command["kind"] = CommandKind.RESUME
    apply(markets, command)
    advance(markets, 0, int(markets["now_ns"][0]) + 5 * SECOND)
    assert markets["n_entered"][0] > before["n_entered"][0]
    check_invariants(markets[0])


def test_a_clock_moved_without_participants_leaves_them_no_backlog():
    markets = new_simulated_markets(1)
    Door(markets).advance(0, 3_600 * SECOND)
    advance(markets, 0, 3_601 * SECOND)
    assert 0 < markets["n_events"][0] < 300


PLAIN = """
import sys
from hashlib import sha256
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance_batch
for preset in ("default", "poisson"):
    markets = new_simulated_markets(1, [4], preset=preset)
    advance_batch(markets, int(markets["now_ns"][0]) + 5_000_000_000)
    print(sha256(markets.tobytes()).hexdigest())
"""


def test_plain_python_and_compiled_code_tell_the_same_story():
    folder = Path(__file__).parents[1] / "src"
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(folder)}
    plain = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLAIN],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stderr
    compiled = []
    for preset in ("default", "poisson"):
        markets = new_simulated_markets(1, [4], preset=preset)
        advance_batch(markets, int(markets["now_ns"][0]) + 5 * SECOND)
        compiled.append(sha256(markets.tobytes()).hexdigest())
    assert plain.stdout.split() == compiled


def test_every_preset_has_a_market_that_can_be_stepped():
    assert "default" in PRESETS
    for preset in PRESETS:
        markets = new_simulated_markets(2, preset=preset)
        advance_batch(markets, int(markets["now_ns"][0]) + STEP)
        assert (markets["now_ns"] % STEP == 0).all()
