"""The blotter: orders, fills and account out of reports, as decimals on the wire."""

from decimal import Decimal
from typing import Any

import pytest

from exchange.instrument import Instrument
from strategies import blotter as blotter_module
from strategies.blotter import Blotter
from strategies.errors import TooSlow
from strategies.quoting import SendQuote
from strategies.strategy import Resting, Take
from strategies.wire import command_message, fee_units, mid_twice, sign, signed_lots, tick_lots

INSTRUMENT = Instrument("SIM", Decimal("0.05"), Decimal("0.5"))


def order(order_id: int, side: str, price: str, open_quantity: str, status: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "side": side,
        "price": price,
        "open_quantity": open_quantity,
        "status": status,
    }


def fill(side: str, price: str, quantity: str, fee: str, mid: str | None) -> dict[str, Any]:
    return {
        "fill_id": 1,
        "order_id": 9,
        "side": side,
        "price": price,
        "quantity": quantity,
        "role": "maker",
        "fee": fee,
        "mid": mid,
        "time_ns": 77,
    }


def test_orders_are_open_until_they_are_not() -> None:
    blotter = Blotter(INSTRUMENT)
    blotter.apply_order(order(1, "buy", "10.00", "1.5", "resting"))
    blotter.apply_order(order(2, "sell", "10.10", "1.0", "partially_filled"))
    account = blotter.write_account()
    assert (account.buy_open, account.sell_open, account.n_open) == (3, 2, 2)
    blotter.apply_order(order(1, "buy", "10.00", "0.0", "filled"))
    blotter.apply_order(order(2, "sell", "10.10", "0.0", "canceled"))
    assert blotter.write_account().n_open == 0


def test_a_quotes_answer_says_which_orders_are_the_quote() -> None:
    blotter = Blotter(INSTRUMENT)
    blotter.apply_order(order(5, "buy", "9.00", "4.0", "resting"))  # some other order
    blotter.apply_quote({"bid": order(7, "buy", "10.00", "1.5", "resting"), "ask": None})
    assert (blotter.own_bid, blotter.own_ask) == (Resting(200, 3), None)
    blotter.apply_order(order(7, "buy", "10.00", "0.5", "partially_filled"))
    assert blotter.own_bid == Resting(200, 1)
    blotter.apply_order(order(7, "buy", "10.00", "0.0", "filled"))
    assert blotter.own_bid is None


def test_fills_move_the_account_exactly() -> None:
    blotter = Blotter(INSTRUMENT)
    blotter.apply_fill(fill("buy", "10.00", "1.5", "-0.00000125", "10.025"))
    blotter.apply_fill(fill("sell", "10.10", "0.5", "0.001", None))
    account = blotter.account
    assert (account.position, account.cash, account.n_fills) == (2, -3 * 200 + 202, 2)
    assert account.fees == -50 + 40_000  # a tick-lot is 0.025 of money
    assert (account.bought, account.sold) == (3, 1)
    assert blotter.take_fills() == [
        (77, 9, 200, 3, 1, 1, -50, 401),
        (77, 9, 202, 1, 0, 1, 40_000, 0),
    ]
    assert blotter.take_fills() == []


def test_fills_that_nobody_takes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blotter_module, "FILLS_WAITING_MAX", 2)
    blotter = Blotter(INSTRUMENT)
    for _ in range(2):
        blotter.apply_fill(fill("buy", "10.00", "0.5", "0", None))
    with pytest.raises(TooSlow):
        blotter.apply_fill(fill("buy", "10.00", "0.5", "0", None))


def test_a_quote_whose_answer_was_lost_is_found_among_the_open_orders() -> None:
    blotter = Blotter(INSTRUMENT)
    blotter.apply_quote(
        {
            "bid": order(7, "buy", "10.00", "1.5", "resting"),
            "ask": order(8, "sell", "10.10", "1.5", "resting"),
        }
    )
    blotter.set_orders(
        [
            order(8, "sell", "10.10", "1.0", "partially_filled"),
            order(11, "buy", "9.95", "1.5", "resting"),
        ]
    )
    assert (blotter.own_bid, blotter.own_ask) == (Resting(199, 3), Resting(202, 2))


def test_amounts_between_two_units_are_refused() -> None:
    assert tick_lots(INSTRUMENT, "-1.25") == -50
    assert fee_units(INSTRUMENT, "0.000000025") == 1
    assert mid_twice(INSTRUMENT, "10.025") == 401
    assert signed_lots(INSTRUMENT, "-1.5") == -3
    for wrong in (
        lambda: tick_lots(INSTRUMENT, "0.01"),
        lambda: fee_units(INSTRUMENT, "0.0000000251"),
        lambda: mid_twice(INSTRUMENT, "10.01"),
    ):
        with pytest.raises(ValueError, match="no whole number"):
            wrong()


def test_commands_are_written_as_the_wire_wants_them() -> None:
    assert command_message(INSTRUMENT, SendQuote(200, 3, 0, 0)) == {
        "op": "quote",
        "symbol": "SIM",
        "bid_price": "10.00",
        "bid_quantity": "1.5",
        "ask_price": None,
        "ask_quantity": "0.0",
        "post_only": True,
        "self_trade_prevention": "cancel_newest",
    }
    taken = command_message(INSTRUMENT, Take(is_buy=False, price=199, quantity=2))
    assert (taken["side"], taken["price"], taken["quantity"]) == ("sell", "9.95", "1.0")
    assert taken["time_in_force"] == "ioc"


def test_a_signature_is_the_hmac_of_timestamp_method_path_and_body() -> None:
    assert sign("secret", "1700000000000", "POST", "/v1/orders", b"{}") == (
        "221b97c397fc5752298d65f11bd9038d6dd94231d4e9ef23fdfa1b2727768520"
    )
