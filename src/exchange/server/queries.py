"""Questions about the exchange that change nothing."""

from exchange.engine.codes import Phase
from exchange.messages import answers, requests
from exchange.server.answers import (
    account_answer,
    candle_answer,
    fill_answer,
    standings,
    trade_answer,
)
from exchange.server.auth import Caller
from exchange.server.errors import ApiError
from exchange.server.service import Exchange
from exchange.server.tape import INTERVALS_S
from exchange.version import VERSION

OPEN = int(Phase.OPEN)


def instruments(exchange: Exchange) -> answers.InstrumentsAnswer:
    """All instruments with their bounds and fees."""
    venue = exchange.venue
    found = []
    for row, own in enumerate(venue.instruments):
        lowest, highest = venue.price_range(row)
        found.append(
            answers.InstrumentAnswer(
                symbol=own.symbol,
                tick_size=own.price_text(1),
                lot_size=own.quantity_text(1),
                price_min=own.price_text(lowest),
                price_max=own.price_text(highest),
                maker_fee_ppm=int(venue.markets["maker_fee_ppm"][row]),
                taker_fee_ppm=int(venue.markets["taker_fee_ppm"][row]),
                price_band_ticks=int(venue.markets["band_ticks"][row]),
                step_ns=exchange.settings.step_ns,
            )
        )
    return answers.InstrumentsAnswer(instruments=found)


def symbol_status(exchange: Exchange, row: int) -> answers.SymbolStatus:
    """One market's phase and clock."""
    venue = exchange.venue
    return answers.SymbolStatus(
        symbol=venue.instruments[row].symbol,
        phase="open" if venue.phase[row] == OPEN else "halted",
        time_ns=int(venue.now_ns[row]),
        seq=int(venue.sequence[row]),
    )


def status(exchange: Exchange) -> answers.StatusAnswer:
    """The venue's clock and each market's phase."""
    exchange.clock.catch_up()
    clock = exchange.clock
    return answers.StatusAnswer(
        epoch=exchange.epoch,
        version=VERSION,
        mode=clock.mode,
        speed=clock.speed,
        paused=clock.paused,
        step=exchange.lockstep.step if exchange.lockstep is not None else 0,
        wall_ms=exchange.unix_ms(),
        symbols=[symbol_status(exchange, row) for row in range(len(exchange.venue.instruments))],
        scenarios=list(exchange.feed.scenarios),
    )


def trades(exchange: Exchange, query: requests.TradesQuery) -> answers.TradesAnswer:
    """The newest trades, newest last."""
    row = exchange.desk.instrument(query.symbol)
    own = exchange.venue.instruments[row]
    newest = exchange.venue.tapes[row].newest(query.limit)
    return answers.TradesAnswer(trades=[trade_answer(own, trade) for trade in newest])


def candles(exchange: Exchange, query: requests.CandlesQuery) -> answers.CandlesAnswer:
    """The newest candles of one interval, oldest first."""
    row = exchange.desk.instrument(query.symbol)
    series = exchange.venue.tapes[row].series.get(query.interval_s)
    if series is None:
        known = ", ".join(str(interval_s) for interval_s in INTERVALS_S)
        raise ApiError(
            400, "unreadable", f"interval_s is one of {known}", field="interval_s", limit=known
        )
    own = exchange.venue.instruments[row]
    newest = list(series.candles)[-query.limit :]
    return answers.CandlesAnswer(candles=[candle_answer(own, candle) for candle in newest])


def leaderboard(exchange: Exchange, points: int) -> answers.LeaderboardAnswer:
    """The visible accounts, best pnl first."""
    histories = exchange.equity.newest(points)
    return answers.LeaderboardAnswer(accounts=standings(exchange.venue, histories))


def account(exchange: Exchange, caller: Caller) -> answers.AccountAnswer:
    """The caller's own account."""
    return account_answer(exchange.venue, exchange.venue.accounts[caller.account])


def fills(exchange: Exchange, caller: Caller, query: requests.FillsQuery) -> answers.FillsAnswer:
    """The caller's fills after a fill_id, oldest first."""
    row = None if query.symbol is None else exchange.desk.instrument(query.symbol)
    found = exchange.venue.orders(caller.account).fills_after(query.after, row, query.limit)
    own = exchange.venue.instruments
    return answers.FillsAnswer(fills=[fill_answer(own[fill.instrument], fill) for fill in found])
