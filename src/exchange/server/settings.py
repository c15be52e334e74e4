"""Every choice about how an exchange process runs, and its default."""

from dataclasses import dataclass

from exchange.engine.accounts import DEFAULT_LIMITS

MILLISECOND_NS = 1_000_000


@dataclass(frozen=True)
class Settings:
    """How the clock runs, how often the feed speaks, and what a new trader account may do."""

    lockstep: bool = False
    lockstep_clients: int = 1  # strategies that must have joined before the first step
    step_ns: int = 250 * MILLISECOND_NS  # market time of one lockstep step
    speed: float = 1.0
    publish_ns: int = 20 * MILLISECOND_NS  # changes within this time are one message; 0: none are
    position_max: int = DEFAULT_LIMITS["position_max"]  # lots
    quantity_max: int = DEFAULT_LIMITS["quantity_max"]  # lots in one order
    n_open_max: int = DEFAULT_LIMITS["n_open_max"]
    loss_max: int = DEFAULT_LIMITS["loss_max"]  # tick-lots; 0 is no limit
    rate_per_s: float = 5_000.0  # commands a second of one account, as many at once; 0: no limit
    sockets_max: int = 1_000  # WebSocket connections
    connections_max: int = 4_000  # connections of any kind
