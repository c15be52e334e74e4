"""What everybody is told of a market's state: halts, and shocks of its stress timetable."""

from exchange.engine.codes import EventKind, ShockKind
from exchange.messages.answers import ScenarioAnswer
from exchange.server.orders import Event
from exchange.simulation.scenario import MAGNITUDE_UNITS

PHASES = {int(EventKind.HALTED): "halted", int(EventKind.RESUMED): "open"}
SHOCK_STATES = {
    int(EventKind.SHOCK_SCHEDULED): "scheduled",
    int(EventKind.SHOCK_BEGAN): "began",
    int(EventKind.SHOCK_ENDED): "ended",
}
SHOCK_BEGAN = int(EventKind.SHOCK_BEGAN)
NOTICE_KINDS = frozenset(PHASES) | frozenset(SHOCK_STATES)


def notice(symbol: str, event: Event) -> dict[str, object]:
    """The status message of an event of one of NOTICE_KINDS."""
    if event.kind in PHASES:
        return {
            "type": "phase",
            "symbol": symbol,
            "phase": PHASES[event.kind],
            "time_ns": event.time_ns,
        }
    return {
        "type": "scenario",
        **scenario(symbol, event).model_dump(),
        "state": SHOCK_STATES[event.kind],
        "time_ns": event.time_ns,
    }


def scenario(symbol: str, event: Event) -> ScenarioAnswer:
    """The shock that an event is about."""
    return ScenarioAnswer(
        symbol=symbol,
        kind=ShockKind(event.side).name.lower(),
        magnitude=event.quantity / MAGNITUDE_UNITS,
        begin_ns=event.order_id,
        end_ns=event.maker_order_id,
    )
