"""All ways in are one: an array of commands, one at a time, calls. And the same bytes always."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exchange.engine.codes import CommandKind, RejectReason
from exchange.engine.commands import apply_command, apply_commands
from exchange.engine.door import Door
from exchange.engine.records import COMMAND, EVENT, TRAINING_MARKET, Markets, new_markets
from market_kit import state
from random_commands import Commands, random_commands, random_markets, random_weather

N_EVENTS = 20_000
CALLS = {
    CommandKind.ENTER: ("account", "side", "price", "quantity", "options", "expire_ns"),
    CommandKind.CANCEL: ("account", "order_id"),
    CommandKind.REPLACE: ("account", "order_id", "price", "quantity"),
    CommandKind.QUOTE: (
        *("account", "price", "quantity", "ask_price", "ask_quantity", "options", "expire_ns"),
    ),
    CommandKind.CANCEL_ALL: ("account",),
    CommandKind.ADVANCE: ("time_ns",),
}


def stream(seed: int, n: int) -> tuple[Markets, Commands]:
    """Fresh markets and n commands for them, drawn in parts from the markets as they then stand."""
    rng = np.random.default_rng(seed)
    fresh = random_markets(rng, 2)
    weather = random_weather(rng, fresh)
    markets, parts = fresh.copy(), []
    for _ in range(n // 100):
        parts.append(random_commands(rng, markets, 100, weather))
        apply_array(markets, parts[-1])
    return fresh, np.concatenate(parts)


def apply_array(markets: Markets, commands: Commands) -> tuple[bytes, list[int]]:
    """All events as bytes, and the results."""
    events, results = np.zeros(N_EVENTS, EVENT), np.zeros(len(commands), np.int64)
    applied, written = apply_commands(markets, commands, events, results)
    assert applied == len(commands)
    return events[:written].tobytes(), results.tolist()


def events_of(markets: Markets, instrument: int) -> bytes:
    if not 0 <= instrument < len(markets):
        return b""
    market = markets[instrument]
    return bytes(market.events[: market.n_events].tobytes())


def call(door: Door, command: Any) -> int:
    """One COMMAND as a call of the door."""
    names = CALLS.get(command.kind)
    if names is None:
        return door.apply(command)
    function = getattr(door, CommandKind(command.kind).name.lower())
    return int(function(int(command.instrument), *(int(command[name]) for name in names)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_array_of_commands_one_at_a_time_and_calls_of_the_door_are_the_same(seed):
    fresh, commands = stream(seed, 2_000)
    array, single, called = fresh.copy(), fresh.copy(), fresh.copy()
    door = Door(called)

    events, results = apply_array(array, commands)
    single_events, single_results, called_events, called_results = [], [], [], []
    for command in commands.view(np.recarray):
        single_results.append(int(apply_command(single, command)))
        single_events.append(events_of(single, command.instrument))
        called_results.append(call(door, command))
        called_events.append(events_of(called, command.instrument))

    assert single_results == called_results == results
    assert b"".join(single_events) == b"".join(called_events) == events
    assert single.tobytes() == called.tobytes() == array.tobytes()


def test_a_door_reads_the_events_of_the_last_command_as_a_copy():
    markets = new_markets(2)
    door = Door(markets)
    door.enter(1, 4, 0, 9_990, 5, 0, 0)
    events = door.events(1)
    door.cancel_all(1, 4)

    assert len(door.events(0)) == 0
    assert events["price"].tolist() == [9_990]
    assert door.events(1)["kind"].tolist() == [3]


@pytest.mark.parametrize("instrument", [-1, 2, 2**62, -(2**63)])
def test_a_door_to_no_market_is_closed(instrument):
    markets = new_markets(2)
    door, before = Door(markets), markets.tobytes()
    answers = [
        door.enter(instrument, 4, 0, 9_990, 5, 0, 0),
        door.cancel(instrument, 4, 513),
        door.replace(instrument, 4, 513, 9_990, 5),
        door.quote(instrument, 4, 9_990, 5, 10_010, 5, 0, 0),
        door.cancel_all(instrument, 4),
        door.advance(instrument, 5),
    ]
    assert set(answers) == {-RejectReason.UNKNOWN_INSTRUMENT}
    assert markets.tobytes() == before


@pytest.mark.parametrize("extreme", [2**63 - 1, -(2**63), 2**40, -(2**40), 2**32 + 1])
def test_integers_wider_than_a_records_fields_are_refused_not_cut_short(extreme):
    markets = new_markets(1)
    door = Door(markets)
    good = {"account": 4, "side": 0, "price": 9_990, "quantity": 5, "options": 0, "expire_ns": 0}
    for name in ("account", "side", "price", "quantity", "options"):
        assert door.enter(0, *(good | {name: extreme}).values()) < 0, name
    assert door.cancel(0, extreme, 513) == -RejectReason.UNKNOWN_ACCOUNT
    assert door.cancel(0, 4, extreme) == -RejectReason.UNKNOWN_ORDER
    assert door.quote(0, 4, extreme, 1, 0, 0, 0, 0) == 0  # its bid is refused by itself
    assert door.events(0)["reason"].tolist() == [RejectReason.PRICE_OUT_OF_RANGE]
    assert markets["n_resting"][0] == 0


def test_what_64_bits_do_not_hold_is_an_error_of_the_caller():
    door = Door(new_markets(1))
    for wrong in (2**63, -(2**63) - 1, None):
        with pytest.raises((TypeError, OverflowError)):
            door.enter(0, 4, 0, 9_990, wrong, 0, 0)


def test_a_door_opens_only_to_markets_that_lie_side_by_side():
    markets = new_markets(4)
    Door(markets[1:3]).enter(1, 4, 0, 9_990, 5, 0, 0)
    assert markets["n_resting"].tolist() == [0, 0, 1, 0]
    with pytest.raises(AssertionError, match="side by side"):
        Door(markets[::2])


# --- the same bytes ---


def test_the_same_commands_give_the_same_bytes():
    fresh, commands = stream(4, 1_000)
    one, other = fresh.copy(), fresh.copy()
    assert apply_array(one, commands) == apply_array(other, commands)
    assert one.tobytes() == other.tobytes()


def test_a_market_saved_as_bytes_and_read_again_goes_on_the_same():
    fresh, commands = stream(5, 2_000)
    whole, first_half = fresh.copy(), fresh.copy()
    apply_array(whole, commands[:1_000])
    end = apply_array(whole, commands[1_000:])
    apply_array(first_half, commands[:1_000])

    read = np.frombuffer(first_half.tobytes(), TRAINING_MARKET).copy()

    assert apply_array(read, commands[1_000:]) == end
    assert read.tobytes() == whole.tobytes()


def test_one_market_of_a_venue_does_not_touch_another():
    fresh, commands = stream(6, 1_000)
    markets = fresh.copy()
    apply_array(markets, commands[commands["instrument"] == 0])
    assert markets[1].tobytes() == fresh[1].tobytes()


SAME_WITHOUT_COMPILER = """
import hashlib, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_engine_commands import digest
from exchange.engine.records import COMMAND, TRAINING_MARKET
markets = np.frombuffer(open(sys.argv[2], "rb").read(), TRAINING_MARKET).copy()
commands = np.frombuffer(open(sys.argv[3], "rb").read(), COMMAND).copy()
print(digest(markets, commands))
"""


def digest(markets: Markets, commands: Commands) -> str:
    """A fingerprint of all events, results and the markets that they leave behind."""
    markets = markets.view(np.recarray)
    events, results = apply_array(markets, commands.view(np.recarray))
    story = events + np.array(results).tobytes() + markets.tobytes()
    return hashlib.sha256(story).hexdigest()


def test_plain_python_without_the_compiler_gives_the_same_bytes(tmp_path):
    fresh, commands = stream(8, 300)
    (tmp_path / "markets").write_bytes(fresh.tobytes())
    (tmp_path / "commands").write_bytes(commands.tobytes())

    run = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c", SAME_WITHOUT_COMPILER),
            *(Path(__file__).parent, tmp_path / "markets", tmp_path / "commands"),
        ],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest(fresh, commands)


# --- the event buffer of an array ---


def enters(n: int) -> Commands:
    commands = np.zeros(n, COMMAND)
    commands["kind"], commands["account"] = CommandKind.ENTER, 4
    commands["price"], commands["quantity"] = 9_990, 1
    return commands


def test_an_array_stops_before_the_command_whose_events_might_not_fit_and_can_go_on():
    commands, markets, whole = enters(100), new_markets(1), new_markets(1)
    expected = apply_array(whole, commands)
    events, results = np.zeros(40, EVENT), np.zeros(100, np.int64)
    # after n orders n rest and n events are told: the next needs n + 8 of 40 - n places, so n <= 16
    applied, written = apply_commands(markets, commands, events, results)
    assert (applied, written) == (17, 17)

    told, done = events[:written].tobytes(), applied
    while done < 100:
        events = np.zeros(len(markets[0].orders), EVENT)
        applied, written = apply_commands(markets, commands[done:], events, results[done:])
        told, done = told + events[:written].tobytes(), done + applied
    assert (told, results.tolist()) == expected
    assert markets.tobytes() == whole.tobytes()


def test_an_event_buffer_of_eight_serves_an_empty_market_and_one_of_seven_does_not():
    for n_events, applied in ((8, 1), (7, 0), (0, 0)):
        events, results = np.zeros(n_events, EVENT), np.zeros(1, np.int64)
        assert apply_commands(new_markets(1), enters(1), events, results) == (applied, applied)


def test_a_command_to_no_market_needs_no_room():
    commands = enters(1)
    commands["instrument"] = 3
    results = np.zeros(1, np.int64)
    applied, written = apply_commands(new_markets(1), commands, np.zeros(0, EVENT), results)
    assert (applied, written) == (1, 0)
    assert results[0] == -RejectReason.UNKNOWN_INSTRUMENT


def test_no_command_at_all_is_fine():
    none = np.zeros(0, COMMAND)
    assert apply_array(new_markets(1), none) == (b"", [])


def test_a_silent_market_goes_the_same_way_and_writes_no_event():
    fresh, commands = stream(5, 2_000)
    loud, silent = fresh.copy(), fresh.copy()
    silent["silent"] = 1
    events, results = apply_array(loud, commands)
    assert len(events) > 0
    assert apply_array(silent, commands) == (b"", results)
    assert [state(market) for market in silent] == [state(market) for market in loud]
    assert silent["events"].tobytes() == fresh["events"].tobytes()
