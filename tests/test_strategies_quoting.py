"""The fewest commands that turn what rests into what is wanted, judged by the engine itself."""

from hypothesis import given
from hypothesis import strategies as st

from exchange.engine.door import Door
from exchange.engine.records import Markets, new_markets
from exchange.engine.resting import resting_orders
from strategies.quoting import QUOTE_OPTIONS, SendQuote, wanted_commands
from strategies.strategy import Quote, Resting, Take

ACCOUNT = 4
SIDES = st.none() | st.tuples(st.integers(0, 2), st.integers(1, 5))


def test_nothing_is_sent_when_nothing_changes() -> None:
    wanted = Quote(99, 3, 101, 3)
    assert wanted_commands(wanted, Resting(99, 3), Resting(101, 3)) == []
    assert wanted_commands(wanted, Resting(99, 1), Resting(101, 2)) == []  # partly filled: stays
    assert wanted_commands(Quote(), None, None) == []


def test_one_quote_is_sent_when_a_side_differs() -> None:
    wanted = Quote(99, 3, 101, 3)
    sent = [SendQuote(99, 3, 101, 3)]
    assert wanted_commands(wanted, Resting(98, 3), Resting(101, 3)) == sent
    assert wanted_commands(wanted, Resting(99, 4), Resting(101, 3)) == sent  # more than wanted
    assert wanted_commands(wanted, None, Resting(101, 3)) == sent


def test_an_unwanted_side_is_pulled() -> None:
    assert wanted_commands(Quote(99, 3), Resting(99, 3), Resting(101, 3)) == [
        SendQuote(99, 3, 0, 0)
    ]
    assert wanted_commands(Quote(), Resting(99, 3), None) == [SendQuote(0, 0, 0, 0)]


def test_the_quote_is_out_of_the_way_before_the_strategy_takes() -> None:
    take = Take(is_buy=True, price=101, quantity=2)
    assert wanted_commands(Quote(take=take), Resting(99, 3), None) == [
        SendQuote(0, 0, 0, 0),
        take,
    ]
    assert wanted_commands(Quote(take=Take(True, 101, 0)), None, None) == []


def resting(markets: Markets) -> tuple[Resting | None, Resting | None]:
    """The account's quote as it rests in the engine."""
    own = resting_orders(markets[0])
    own = own[own["account"] == ACCOUNT]
    sides: list[Resting | None] = [None, None]
    for order in own:
        sides[order["side"]] = Resting(int(order["price"]), int(order["quantity"]))
    return sides[0], sides[1]


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=8))
def test_a_skipped_command_would_have_changed_nothing(
    wishes: list[tuple[tuple[int, int] | None, tuple[int, int] | None]],
) -> None:
    """Sending a quote every time and sending only the wanted commands give the same market."""
    always, seldom = new_markets(1), new_markets(1)
    always_door, seldom_door = Door(always), Door(seldom)
    for bid, ask in wishes:
        wanted = Quote(
            None if bid is None else 9_990 + bid[0],
            0 if bid is None else bid[1],
            None if ask is None else 10_010 + ask[0],
            0 if ask is None else ask[1],
        )
        for command in wanted_commands(wanted, *resting(seldom)):
            assert isinstance(command, SendQuote)
            send(seldom_door, command)
        send(
            always_door,
            SendQuote(
                wanted.bid_price or 0,
                wanted.bid_quantity,
                wanted.ask_price or 0,
                wanted.ask_quantity,
            ),
        )
        # events of the last command and ids of free slots aside
        assert resting(always) == resting(seldom)
        assert always["sequence"] == seldom["sequence"]


def send(door: Door, quote: SendQuote) -> None:
    door.quote(
        0,
        ACCOUNT,
        quote.bid_price,
        quote.bid_quantity,
        quote.ask_price,
        quote.ask_quantity,
        QUOTE_OPTIONS,
        0,
    )
