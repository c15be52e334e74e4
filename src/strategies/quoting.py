"""From what a strategy wants to the fewest commands that bring it about."""

from dataclasses import dataclass

from exchange.engine.codes import Option, TimeInForce
from strategies.strategy import Quote, Resting, Take

# The options, as the engine counts them, of all that strategies send: quotes never take, takes
# never rest, and neither trades with the strategy's own orders.
QUOTE_OPTIONS = int(TimeInForce.GTC | Option.POST_ONLY | Option.STP_CANCEL_NEWEST)
TAKE_OPTIONS = int(TimeInForce.IOC | Option.STP_CANCEL_NEWEST)


@dataclass(frozen=True, slots=True)
class SendQuote:
    """Replace both sides of the account's quote: ticks and lots, quantity 0 leaves a side empty."""

    bid_price: int
    bid_quantity: int
    ask_price: int
    ask_quantity: int


Command = SendQuote | Take


def wanted_commands(wanted: Quote, bid: Resting | None, ask: Resting | None) -> list[Command]:
    """The commands that turn the resting quote (bid, ask) into the wanted one, in order.

    A side stays as it is, with its place in the queue, while its price is the wanted one and no
    more rests than wanted: the exchange never tops a quote up, so sending would change nothing.
    """
    commands: list[Command] = []
    keeps_bid = _keeps(wanted.bid_price, wanted.bid_quantity, bid)
    keeps_ask = _keeps(wanted.ask_price, wanted.ask_quantity, ask)
    if not (keeps_bid and keeps_ask):
        commands.append(
            SendQuote(
                wanted.bid_price or 0,
                wanted.bid_quantity if wanted.bid_price is not None else 0,
                wanted.ask_price or 0,
                wanted.ask_quantity if wanted.ask_price is not None else 0,
            )
        )
    if wanted.take is not None and wanted.take.quantity > 0:
        commands.append(wanted.take)
    return commands


def _keeps(price: int | None, quantity: int, resting: Resting | None) -> bool:
    if price is None or resting is None:
        return price is None and resting is None
    return resting.price == price and resting.quantity <= quantity
