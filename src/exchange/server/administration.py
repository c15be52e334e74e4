"""What an administrator may do: halts, limits, the clock. Everybody is told of phase and clock."""

from decimal import Decimal

from exchange.engine.codes import ShockKind
from exchange.instrument import Instrument
from exchange.messages import answers, requests
from exchange.server.answers import position_answer
from exchange.server.errors import ApiError, refused, unreadable
from exchange.server.ledger import Limits
from exchange.server.queries import symbol_status
from exchange.server.service import Exchange
from exchange.server.venue import Refused
from exchange.simulation.scenario import MAGNITUDE_UNITS

SECOND_NS = 1_000_000_000
INT32_MAX = 2**31 - 1
MONEY_MAX = 2**62  # tick-lots


def halt(exchange: Exchange, symbol: str) -> answers.SymbolStatus:
    """Take no more orders in a symbol."""
    row = exchange.desk.instrument(symbol)
    exchange.clock.catch_up()
    exchange.venue.halt(row)
    return symbol_status(exchange, row)


def resume(exchange: Exchange, symbol: str) -> answers.SymbolStatus:
    """Take orders in a symbol again."""
    row = exchange.desk.instrument(symbol)
    exchange.clock.catch_up()
    exchange.venue.resume(row)
    return symbol_status(exchange, row)


def set_limits(exchange: Exchange, wanted: requests.SetLimits) -> answers.PositionAnswer:
    """Set an account's limits; what is not given stays."""
    venue, row = exchange.venue, exchange.desk.instrument(wanted.symbol)
    if wanted.account not in venue.accounts:
        raise ApiError(404, "unknown_account", f"no account {wanted.account}", field="account")
    exchange.clock.catch_up()
    own, ledger = venue.instruments[row], venue.ledger(row, wanted.account)
    limits = Limits(
        _lots(own, wanted.position_max, "position_max", ledger.position_max),
        _lots(own, wanted.quantity_max, "quantity_max", ledger.quantity_max),
        ledger.n_open_max if wanted.n_open_max is None else wanted.n_open_max,
        _tick_lots(own, wanted.loss_max, ledger.loss_max),
    )
    venue.set_limits(wanted.account, row, limits)
    changed = venue.ledger(row, wanted.account)
    return position_answer(own, changed, int(venue.last_price[row]))


def schedule(exchange: Exchange, wanted: requests.Scenario) -> answers.ScenarioAnswer:
    """Put a shock into a market's timetable, in market time from now. Raises ApiError 404, 409."""
    row = exchange.desk.instrument(wanted.symbol)
    if not exchange.venue.has_timetable:
        raise ApiError(409, "wrong_mode", "a recording plays as it was: it takes no shocks")
    exchange.clock.catch_up()
    kind = ShockKind[wanted.kind.upper()]
    magnitude = round(wanted.magnitude * MAGNITUDE_UNITS)
    begin_ns = int(exchange.venue.now_ns[row]) + round(wanted.delay_s * SECOND_NS)
    end_ns = begin_ns + round(wanted.duration_s * SECOND_NS)
    try:
        exchange.venue.schedule(row, int(kind), magnitude, begin_ns, end_ns)
    except Refused as refusal:
        raise refused(refusal.reason) from None
    return answers.ScenarioAnswer(
        symbol=wanted.symbol,
        kind=wanted.kind,
        magnitude=magnitude / MAGNITUDE_UNITS,
        begin_ns=begin_ns,
        end_ns=end_ns,
    )


def set_clock(exchange: Exchange, wanted: requests.SetClock) -> None:
    """Speed and pause belong to wall time; steps to lockstep, or to a paused clock."""
    if wanted.advance_steps is not None:
        if exchange.journal is not None:
            exchange.journal.check()
        take_steps(exchange, wanted.advance_steps)
    if wanted.speed is None and wanted.paused is None:
        return
    if exchange.wall_clock is None:
        raise ApiError(409, "wrong_mode", "in lockstep time has no speed", field="speed")
    exchange.wall_clock.set(wanted.speed, wanted.paused)
    clock = exchange.wall_clock
    exchange.feed.publish_status({"type": "clock", "speed": clock.speed, "paused": clock.paused})


def take_steps(exchange: Exchange, n: int) -> None:
    """Take n steps: in lockstep when no strategy is there to be waited for, else when paused."""
    if exchange.wall_clock is not None:
        step_paused(exchange, n)
        return
    assert exchange.lockstep is not None
    if exchange.lockstep.waiting:
        raise ApiError(
            409, "lockstep_busy", "strategies are connected: they take the steps", retryable=True
        )
    for _ in range(n):
        exchange.lockstep.take_step()
    exchange.feed.flush(exchange.monotonic_ns())


def step_paused(exchange: Exchange, n: int) -> None:
    """Let a paused market move on by n steps; what happens is published as ever."""
    assert exchange.wall_clock is not None
    if not exchange.wall_clock.paused:
        raise ApiError(409, "wrong_mode", "pause the clock first", field="advance_steps")
    exchange.wall_clock.step(n * exchange.settings.step_ns)


def _lots(instrument: Instrument, text: str | None, field: str, otherwise: int) -> int:
    if text is None:
        return otherwise
    try:
        lots = instrument.lots(text)
    except ValueError as error:
        raise unreadable(str(error), field) from None
    if lots > INT32_MAX:
        raise ApiError(
            422,
            "invalid_limits",
            "the limit is too large",
            field=field,
            limit=instrument.quantity_text(INT32_MAX),
        )
    return lots


def _tick_lots(instrument: Instrument, text: str | None, otherwise: int) -> int:
    """Money as the engine counts it."""
    if text is None:
        return otherwise
    tick_lots = Decimal(text) / (instrument.tick_size * instrument.lot_size)
    if tick_lots != int(tick_lots) or tick_lots > MONEY_MAX:
        smallest = instrument.money_text(1)
        raise unreadable(f"loss_max {text} is not a multiple of {smallest}", "loss_max")
    return int(tick_lots)
