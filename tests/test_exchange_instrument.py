"""Ticks and lots to decimals and back, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.instrument import Instrument

ACME = Instrument("ACME")
steps = st.sampled_from(["0.01", "0.05", "0.25", "1", "5", "100", "0.000000000001", "0.0125"])


def test_a_price_is_a_whole_number_of_ticks():
    assert ACME.ticks("100.05") == 10_005
    assert ACME.ticks("100") == 10_000
    assert ACME.ticks("100.5") == 10_050
    assert ACME.ticks("100.050000") == 10_005
    assert Instrument("ES", tick_size=Decimal("0.25")).ticks("4321.75") == 17_287
    assert Instrument("BIG", tick_size=Decimal(5)).ticks("20") == 4


@pytest.mark.parametrize(
    "text",
    [
        *("100.055", "100.001", "", " 1", "1 ", "1.", ".5", "+1", "-1", "1e2", "1,000", "0x1"),
        *("NaN", "inf", "1.0.0", "٣", "1_000", "1\n", "9" * 16, "0." + "0" * 13),
    ],
)
def test_what_is_no_plain_decimal_on_the_grid_is_refused(text):
    with pytest.raises(ValueError, match="price"):
        ACME.ticks(text)


def test_a_refusal_names_the_field_and_the_grid_and_no_endless_text():
    with pytest.raises(ValueError, match=r"price 100\.055 is not a multiple of 0\.01"):
        ACME.ticks("100.055")
    with pytest.raises(ValueError, match=r"quantity 1\.5 is not a multiple of 1"):
        ACME.lots("1.5")
    with pytest.raises(ValueError, match="quantity") as refused:
        ACME.lots("7" * 10_000)
    assert len(str(refused.value)) < 200


def test_prices_are_written_with_all_digits_of_the_tick():
    assert ACME.price_text(10_050) == "100.50"
    assert ACME.price_text(5) == "0.05"
    assert Instrument("ES", tick_size=Decimal("0.25")).price_text(17_287) == "4321.75"
    assert Instrument("BIG", tick_size=Decimal("5E+1")).price_text(4) == "200"
    assert ACME.quantity_text(-3) == "-3"
    assert Instrument("BTC", lot_size=Decimal("0.001")).quantity_text(-5) == "-0.005"


@given(steps, st.integers(0, 10**9))
def test_a_price_written_and_read_is_the_same(step, ticks):
    instrument = Instrument("X", tick_size=Decimal(step))
    if ticks * Decimal(step) < 10**15:
        assert instrument.ticks(instrument.price_text(ticks)) == ticks
        assert Decimal(instrument.price_text(ticks)) == ticks * Decimal(step)


@given(steps, steps, st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_money_is_exact(tick, lot, tick_lots, fee_units):
    instrument = Instrument("X", tick_size=Decimal(tick), lot_size=Decimal(lot))
    exact = (tick_lots * 10**6 - fee_units) * exact_units(tick) * exact_units(lot)
    text = instrument.money_text(tick_lots, fee_units)
    assert exact_units(text, 30) == exact


def exact_units(text: str, places: int = 12) -> int:
    """A decimal in units of 10**-places, without rounding."""
    whole, _, fraction = text.lstrip("-").partition(".")
    units = int(whole + fraction.ljust(places, "0"))
    return -units if text.startswith("-") else units


def test_money_shows_fees_only_to_the_digits_they_need():
    assert ACME.money_text(123_456) == "1234.56"
    assert ACME.money_text(-5) == "-0.05"
    assert ACME.money_text(100, 1_000_000) == "0.99"
    assert ACME.money_text(100, 1) == "0.99999999"


@pytest.mark.parametrize("symbol", ["", "acme", "A B", "-A", "A" * 17, "A/B", "A\n"])
def test_a_symbol_is_short_and_plain(symbol):
    with pytest.raises(ValueError, match="symbol"):
        Instrument(symbol)


@pytest.mark.parametrize("size", ["0", "-1", "NaN", "Infinity", "0.0000000000001"])
def test_tick_and_lot_sizes_are_positive_and_not_too_fine(size):
    with pytest.raises(ValueError, match="tick or lot size"):
        Instrument("X", tick_size=Decimal(size))
    with pytest.raises(ValueError, match="tick or lot size"):
        Instrument("X", lot_size=Decimal(size))
