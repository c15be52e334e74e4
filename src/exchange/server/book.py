"""The public book of one market as the feed last told it, and the difference to how it stands now.

Only prices that events have named since are looked up again, so a message costs what has changed
and not what rests.
"""

from collections.abc import Sequence
from itertools import islice, zip_longest
from zlib import crc32

from exchange.engine.codes import EventKind
from exchange.engine.records import N_DEPTH
from exchange.server.orders import Event
from exchange.server.venue import Venue

REJECTED = int(EventKind.REJECTED)
Levels = dict[int, int]  # ticks -> lots


class PublicBook:
    """Levels of one market, published and not yet published. Integers, and texts of the wire."""

    def __init__(self, venue: Venue, instrument: int, epoch: int) -> None:
        self.venue, self.row, self.epoch = venue, instrument, epoch
        self.instrument = venue.instruments[instrument]
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.seq = 0
        self._totals = ""  # time_ns, bought, sold, last_price at the last publication
        self._snapshot = b""  # of the last publication, built when first asked for
        self._touched = self._resting_prices()
        self.publish()

    def read(self, events: Sequence[Event]) -> None:
        """Remember which levels the events of one command may have changed."""
        touched = self._touched
        for event in events:
            if event.kind != REJECTED:  # a refused price may be any number
                touched.add(event.price)
                if event.price_before:
                    touched.add(event.price_before)
        touched.discard(0)

    @property
    def changed(self) -> bool:
        """Whether there may be something to publish."""
        return bool(self._touched)

    def publish(self) -> bytes:
        """Move on to how the book stands now: the change message."""
        bids, asks = self._changes()
        _apply(self.bids, bids)
        _apply(self.asks, asks)
        self._touched.clear()
        previous, self.seq = self.seq, int(self.venue.sequence[self.row])
        self._totals = self._totals_now()
        self._snapshot = b""
        return (
            f'{{"channel":"book","type":"change","symbol":"{self.instrument.symbol}",'
            f'"epoch":{self.epoch},"seq":{self.seq},"prev_seq":{previous},'
            f"{self._levels(bids, asks)},{self._totals},"
            f'"checksum":{self._checksum(self.bids, self.asks)}}}'
        ).encode()

    def snapshot(self) -> bytes:
        """The whole book as last published; the next change follows on it."""
        if not self._snapshot:
            self._snapshot = self._whole(self.bids, self.asks, self.seq, self._totals, 0)
        return self._snapshot

    def snapshot_now(self, n_levels: int) -> bytes:
        """The book as it stands now, n_levels a side (0: all)."""
        bids, asks = self.bids.copy(), self.asks.copy()
        bid_changes, ask_changes = self._changes()
        _apply(bids, bid_changes)
        _apply(asks, ask_changes)
        seq = int(self.venue.sequence[self.row])
        return self._whole(bids, asks, seq, self._totals_now(), n_levels)

    def ticker(self) -> bytes:
        """Best prices as last published, and the volume so far."""
        bid, ask = max(self.bids, default=0), min(self.asks, default=0)
        volume = int(self.venue.markets["bought"][self.row] + self.venue.markets["sold"][self.row])
        last = self.instrument.price_text(int(self.venue.last_price[self.row]))
        return (
            f'{{"channel":"ticker","type":"ticker","symbol":"{self.instrument.symbol}",'
            f'"seq":{self.seq},"time_ns":{self.venue.now_ns[self.row]},'
            f"{self._best('bid', bid, self.bids)},{self._best('ask', ask, self.asks)},"
            f'"last_price":"{last}","volume":"{self.instrument.quantity_text(volume)}"}}'
        ).encode()

    # --- parts ------------------------------------------------------------------------------------

    def _resting_prices(self) -> set[int]:
        base = int(self.venue.price_base[self.row])
        return {base + int(row) for row in self.venue.quantities[self.row].nonzero()[0]}

    def _changes(self) -> tuple[Levels, Levels]:
        """Levels that differ from the published ones; 0 lots: the level is gone."""
        base = int(self.venue.price_base[self.row])
        best_bid = int(self.venue.best_bid[self.row])
        quantities = self.venue.quantities[self.row]
        bids, asks = {}, {}
        for price in sorted(self._touched):
            quantity = int(quantities[price - base])
            bid, ask = (quantity, 0) if price - base <= best_bid else (0, quantity)
            if bid != self.bids.get(price, 0):
                bids[price] = bid
            if ask != self.asks.get(price, 0):
                asks[price] = ask
        return bids, asks

    def _price(self, price: int) -> str:
        return self.instrument.price_text(price)

    def _levels(self, bids: Levels, asks: Levels) -> str:
        quantity = self.instrument.quantity_text
        bid_texts = [f'["{self._price(p)}","{quantity(bids[p])}"]' for p in reversed(bids)]
        ask_texts = [f'["{self._price(p)}","{quantity(q)}"]' for p, q in asks.items()]
        return f'"bids":[{",".join(bid_texts)}],"asks":[{",".join(ask_texts)}]'

    def _best(self, side: str, price: int, levels: Levels) -> str:
        if price == 0:
            return f'"{side}_price":null,"{side}_quantity":"0"'
        quantity = self.instrument.quantity_text(levels[price])
        return f'"{side}_price":"{self._price(price)}","{side}_quantity":"{quantity}"'

    def _totals_now(self) -> str:
        market = self.venue.markets
        quantity = self.instrument.quantity_text
        return (
            f'"time_ns":{self.venue.now_ns[self.row]},'
            f'"bought":"{quantity(int(market["bought"][self.row]))}",'
            f'"sold":"{quantity(int(market["sold"][self.row]))}",'
            f'"last_price":"{self._price(int(self.venue.last_price[self.row]))}"'
        )

    def _whole(self, bids: Levels, asks: Levels, seq: int, totals: str, n_levels: int) -> bytes:
        shown = n_levels or max(len(bids), len(asks))
        best_bids = sorted(islice(sorted(bids.items(), reverse=True), shown))
        best_asks = islice(sorted(asks.items()), shown)
        return (
            f'{{"channel":"book","type":"snapshot","symbol":"{self.instrument.symbol}",'
            f'"epoch":{self.epoch},"seq":{seq},{self._levels(dict(best_bids), dict(best_asks))},'
            f'{totals},"checksum":{self._checksum(bids, asks)}}}'
        ).encode()

    def _checksum(self, bids: Levels, asks: Levels) -> int:
        """CRC-32 of the ten best levels, bid and ask side by side, as the strings that are sent."""
        quantity = self.instrument.quantity_text
        best_bids = [
            f"{self._price(p)}:{quantity(bids[p])}" for p in sorted(bids, reverse=True)[:N_DEPTH]
        ]
        best_asks = [f"{self._price(p)}:{quantity(asks[p])}" for p in sorted(asks)[:N_DEPTH]]
        pairs = zip_longest(best_bids, best_asks, fillvalue=":")
        return crc32("|".join(f"{bid}:{ask}" for bid, ask in pairs).encode())


def _apply(levels: Levels, changes: Levels) -> None:
    for price, quantity in changes.items():
        if quantity:
            levels[price] = quantity
        else:
            del levels[price]
