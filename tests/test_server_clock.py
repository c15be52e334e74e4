"""The wall clock: market time follows it in grains, and none of it is lost."""

import numpy as np
import pytest

from exchange.engine.records import TRAINING_MARKET, new_markets
from exchange.instrument import Instrument
from exchange.server.clock import GRAIN_NS, WallClock
from exchange.server.venue import Venue


class Hand:
    """A monotonic clock that is set by hand."""

    now_ns = 1_000_000_000

    def __call__(self) -> int:
        return self.now_ns


def wall_clock(speed: float) -> tuple[WallClock, Hand]:
    hand = Hand()
    venue = Venue(new_markets(1, dtype=TRAINING_MARKET), [Instrument("SIM")])
    return WallClock(venue, speed, hand), hand


def test_commands_within_a_grain_stand_at_one_moment_and_no_time_is_lost():
    clock, hand = wall_clock(1.0)
    times = []
    for _ in range(100):
        hand.now_ns += GRAIN_NS // 4
        clock.catch_up()
        times.append(int(clock.venue.now_ns[0]))
    assert times[:5] == [0, 0, 0, GRAIN_NS, GRAIN_NS]
    assert times[-1] == 25 * GRAIN_NS


@pytest.mark.parametrize("speed", [0.001, 0.5, 1.0, 20.0, 1000.0])
def test_time_passes_at_every_speed_and_never_lags_more_than_a_grain(speed: float):
    clock, hand = wall_clock(speed)
    gaps_ns = np.random.default_rng(1).integers(1_000, 2 * GRAIN_NS, 500).tolist()
    for n, gap_ns in enumerate(gaps_ns):
        hand.now_ns += gap_ns
        clock.catch_up()
        lag_ns = sum(gaps_ns[: n + 1]) * speed - int(clock.venue.now_ns[0])
        assert -1 <= lag_ns <= GRAIN_NS + 1
    assert clock.venue.now_ns[0] > 0
