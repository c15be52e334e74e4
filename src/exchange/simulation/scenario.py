"""Stress as a timetable of shocks with a beginning, an end and a magnitude, in the market's record.

They are scheduled by a command and begin and end by the market's clock, so a session under stress
replays to the same bytes. No shock sets a price: it changes what participants do or believe, and
the price is what comes of it.
"""

from exchange.engine.codes import EventKind, RejectReason, ShockKind
from exchange.engine.commands import begin, change_phase
from exchange.engine.events import emit_rejected, new_event
from exchange.engine.kernel import kernel
from exchange.engine.participants import SHOCKS_MAX

MAGNITUDE_UNITS = 1_000  # a magnitude of 1
MAGNITUDE_MAX = 10 * MAGNITUDE_UNITS
NEWS_TICKS = 20.0  # the hidden value jumps by this much at magnitude 1
SPIKE = 3.0  # volatility is multiplied by 1 + this at magnitude 1
DROUGHT = 3.0  # liquidity is divided by 1 + this at magnitude 1
CRASH_DROUGHT = 0.5  # the same in a flash crash or a rally
CRASH_DOUBT = 3.0  # and value traders act less often by this
CRASH_PRESSURE = 0.2  # share of all orders that are forced at magnitude 1
PRESSURE_MAX = 0.8
VOLATILITY, LIQUIDITY, INFORMED = 0, 1, 2  # places in calm_factors


@kernel
def schedule(markets, command):
    """Put a shock into the timetable of the market that the COMMAND names.

    COMMAND: side is the ShockKind, order_id the magnitude in thousandths (negative only for news),
    time_ns and expire_ns its beginning and end. Returns 0 or -RejectReason.
    """
    if not begin(markets, command.instrument):
        return -RejectReason.UNKNOWN_INSTRUMENT
    market = markets[command.instrument]
    flow = market.flow
    kind = command.side
    magnitude = command.order_id
    known = ShockKind.NONE < kind <= ShockKind.HALT
    in_time = market.now_ns <= command.time_ns < command.expire_ns
    sized = 0 < abs(magnitude) <= MAGNITUDE_MAX
    if not (known and in_time and sized) or (magnitude < 0 and kind != ShockKind.NEWS_JUMP):
        return emit_rejected(market, 0, 0, 0, 0, 0, RejectReason.INVALID_SHOCK)
    for i in range(SHOCKS_MAX):
        shock = flow.shocks[i]
        if shock.kind == ShockKind.NONE:
            shock.kind = kind
            shock.magnitude = magnitude
            shock.begin_ns = command.time_ns
            shock.end_ns = command.expire_ns
            shock.active = 0
            emit_shock(market, EventKind.SHOCK_SCHEDULED, shock)
            find_next_change(flow)
            return 0
    return emit_rejected(market, 0, 0, 0, 0, 0, RejectReason.TIMETABLE_FULL)


@kernel
def emit_shock(market, event_kind, shock):
    new_event(
        market,
        event_kind,
        0,
        shock.kind,
        shock.begin_ns,
        0,
        shock.magnitude,
        maker_order_id=shock.end_ns,
    )


@kernel
def find_next_change(flow):
    """When the next shock begins or ends."""
    flow.shock_next_ns = 0
    for i in range(SHOCKS_MAX):
        shock = flow.shocks[i]
        if shock.kind != ShockKind.NONE:
            time_ns = shock.end_ns if shock.active != 0 else shock.begin_ns
            if flow.shock_next_ns == 0 or time_ns < flow.shock_next_ns:
                flow.shock_next_ns = time_ns


@kernel
def change_shocks(market, flow):
    """End and begin what is due now, then set the factors that the participants act by."""
    if flow.n_shocks_active == 0:
        flow.calm_factors[VOLATILITY] = flow.volatility_factor
        flow.calm_factors[LIQUIDITY] = flow.liquidity_factor
        flow.calm_factors[INFORMED] = flow.informed_factor
    for i in range(SHOCKS_MAX):
        shock = flow.shocks[i]
        if shock.kind != ShockKind.NONE and shock.active != 0 and shock.end_ns <= market.now_ns:
            end_shock(market, flow, shock)
    for i in range(SHOCKS_MAX):
        shock = flow.shocks[i]
        if shock.kind != ShockKind.NONE and shock.active == 0 and shock.begin_ns <= market.now_ns:
            begin_shock(market, flow, shock)
    set_factors(flow)
    find_next_change(flow)


@kernel
def begin_shock(market, flow, shock):
    shock.active = 1
    flow.n_shocks_active += 1
    emit_shock(market, EventKind.SHOCK_BEGAN, shock)
    if shock.kind == ShockKind.HALT:
        change_phase(market, True)
    elif shock.kind == ShockKind.NEWS_JUMP:
        value = flow.value + NEWS_TICKS * shock.magnitude / MAGNITUDE_UNITS
        flow.value = min(max(value, flow.value_min), flow.value_max)


@kernel
def end_shock(market, flow, shock):
    flow.n_shocks_active -= 1
    emit_shock(market, EventKind.SHOCK_ENDED, shock)
    was_halt = shock.kind == ShockKind.HALT
    shock.kind = ShockKind.NONE
    shock.active = 0
    if was_halt and not is_halted(flow):
        change_phase(market, False)


@kernel
def is_halted(flow):
    """Whether a halt of the timetable lasts."""
    for i in range(SHOCKS_MAX):
        if flow.shocks[i].active != 0 and flow.shocks[i].kind == ShockKind.HALT:
            return True
    return False


@kernel
def set_factors(flow):
    """What all active shocks together make of volatility, liquidity and pressure."""
    volatility = flow.calm_factors[VOLATILITY]
    liquidity = flow.calm_factors[LIQUIDITY]
    informed = flow.calm_factors[INFORMED]
    pressure = 0.0
    for i in range(SHOCKS_MAX):
        shock = flow.shocks[i]
        if shock.active == 0:
            continue
        size = shock.magnitude / MAGNITUDE_UNITS
        if shock.kind == ShockKind.VOLATILITY_SPIKE:
            volatility *= 1.0 + SPIKE * size
        elif shock.kind == ShockKind.LIQUIDITY_DROUGHT:
            liquidity /= 1.0 + DROUGHT * size
        elif shock.kind == ShockKind.FLASH_CRASH or shock.kind == ShockKind.RALLY:
            liquidity /= 1.0 + CRASH_DROUGHT * size
            informed /= 1.0 + CRASH_DOUBT * size
            pressure += CRASH_PRESSURE * size * (1 if shock.kind == ShockKind.RALLY else -1)
    flow.volatility_factor = volatility
    flow.liquidity_factor = liquidity
    flow.informed_factor = informed
    flow.pressure = min(max(pressure, -PRESSURE_MAX), PRESSURE_MAX)
