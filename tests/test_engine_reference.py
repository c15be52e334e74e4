"""Engine and reference book tell the same story, whatever the commands.

hypothesis writes short streams and shrinks what differs; `scripts/fuzz_engine.py` sends long ones,
and here runs a short while on seeds that never change.
"""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.engine.codes import CommandKind, Option, Side, TimeInForce
from exchange.engine.resting import resting_orders
from market_story import Story
from random_commands import random_commands, random_markets, random_weather
from reference_book import ReferenceBook

FUZZ = Path(__file__).parents[1] / "scripts" / "fuzz_engine.py"
Command = tuple[CommandKind, dict[str, int]]

accounts = st.integers(3, 6)
prices = st.integers(9_995, 10_005)
quantities = st.integers(1, 6)
time_in_force = st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, *TimeInForce])
flags = st.sampled_from([0, 0, 0, Option.MARKET, Option.POST_ONLY, Option.REDUCE_ONLY])
preventions = st.sampled_from([option for option in Option if option & ~Option.STP == 0])
options = st.builds(lambda a, b, c: a | b | c, time_in_force, flags, preventions)
instruments = st.integers(0, 1)

int16 = st.integers(-(2**15), 2**15 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
uint8 = st.integers(0, 255)


def command(kind: CommandKind, **fields: st.SearchStrategy[int]) -> st.SearchStrategy[Command]:
    fields = {"instrument": instruments, "account": accounts, **fields}
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


enters = command(
    CommandKind.ENTER,
    side=st.sampled_from(Side),
    price=prices,
    quantity=quantities,
    options=options,
    expire_ns=st.integers(0, 30),
)
# a cancel or replace names the nth resting order of its market, its owner's own account mostly
cancels = command(CommandKind.CANCEL, nth=st.integers(0, 20))
replaces = command(
    CommandKind.REPLACE, nth=st.integers(0, 20), price=prices, quantity=st.integers(0, 8)
)
quotes = command(
    CommandKind.QUOTE,
    price=st.integers(9_995, 10_001),
    quantity=st.integers(-1, 6),
    ask_price=st.integers(9_999, 10_005),
    ask_quantity=st.integers(0, 6),
    options=st.sampled_from([0, Option.POST_ONLY, TimeInForce.GTD | Option.STP_CANCEL_OLDEST]),
    expire_ns=st.integers(0, 30),
)
limits = command(
    CommandKind.SET_LIMITS,
    expire_ns=st.sampled_from([0, 5, 12]),
    order_id=st.sampled_from([0, 0, 1, 8]),
    quantity=st.sampled_from([0, 0, 4]),
    ask_quantity=st.sampled_from([0, 2]),
)
clocks = command(CommandKind.ADVANCE, time_ns=st.integers(0, 40))
others = st.sampled_from(
    [CommandKind.CANCEL_ALL, CommandKind.HALT, CommandKind.RESUME, CommandKind.RESUME]
).flatmap(command)
sane = st.one_of(enters, enters, enters, enters, cancels, replaces, quotes, limits, clocks, others)

absurd = st.tuples(
    st.sampled_from([*CommandKind]),
    st.fixed_dictionaries(
        {
            "account": accounts | int16,
            "instrument": instruments | int16,
            "time_ns": int64,
            "order_id": int64,
            "expire_ns": int64,
            "price": prices | int32,
            "quantity": quantities | int32,
            "ask_price": prices | int32,
            "ask_quantity": quantities | int32,
            "side": uint8,
            "options": uint8,
        }
    ),
)


def tell(story: Story, told: Command) -> None:
    """Apply one drawn command; the story asserts that the engine and the reference agree."""
    kind, fields = told
    fields = dict(fields)
    nth = fields.pop("nth", None)
    if nth is not None:
        resting = resting_orders(story.markets[fields["instrument"]])
        if len(resting):
            order = resting[nth % len(resting)]
            fields["order_id"] = int(order["order_id"])
            if nth < 18:
                fields["account"] = int(order["account"])
    story.apply(kind, **fields)


@settings(max_examples=150)
@given(
    st.lists(sane, max_size=60),
    st.sampled_from([0, 3]),
    st.sampled_from([0, -200, 300]),
    st.sampled_from([200, 3_000]),
)
def test_sane_commands(commands, band_ticks, maker_fee_ppm, taker_fee_ppm):
    story = Story(
        2, band_ticks=band_ticks, maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm
    )
    for told in commands:
        tell(story, told)


@settings(max_examples=60)
@given(st.lists(st.one_of(sane, absurd, absurd), max_size=40))
def test_absurd_commands(commands):
    story = Story(2)
    for told in commands:
        tell(story, told)


@pytest.mark.parametrize("instruments", ["1", "3"])
def test_the_fuzzer_finds_no_difference_in_a_short_run(instruments):
    run = subprocess.run(
        [
            *(sys.executable, FUZZ, "--commands", "20000", "--seed", "7", "--json"),
            *("--instruments", instruments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert (answer["commands"], answer["differences"], answer["seed"]) == (20_000, 0, 7)


def test_the_fuzzer_shows_the_first_difference_and_fails(monkeypatch, capsys):
    """A reference that forgets time priority must be found out."""
    monkeypatch.syspath_prepend(str(FUZZ.parent))
    fuzz_engine = importlib.import_module("fuzz_engine")

    rest = ReferenceBook.rest

    def rest_in_front(self, order):
        rest(self, order)
        self.sides[order.side][order.price].move_to_end(order.number, last=False)

    monkeypatch.setattr(ReferenceBook, "rest", rest_in_front)
    monkeypatch.setattr(sys, "argv", ["fuzz_engine.py", "--commands", "5000", "--seed", "3"])

    assert fuzz_engine.main() == 1
    printed = capsys.readouterr()
    assert "seed 3, stretch 0, command" in printed.err
    assert "engine returns" in printed.err
    assert "reference returns" in printed.err


def test_random_commands_depend_on_nothing_but_their_seed():
    def draw():
        rng = np.random.default_rng(5)
        markets = random_markets(rng, 2)
        return random_commands(rng, markets, 300, random_weather(rng, markets)).tobytes()

    assert draw() == draw()
