"""How to learn to trade: environments and training over the same engine.

Importing this registers `OneBook/MarketMaking-v0` with Gymnasium, where that is installed.
"""

from importlib.util import find_spec

ENV_ID = "OneBook/MarketMaking-v0"


def _register() -> None:
    import gymnasium  # noqa: PLC0415 - only with the extra `rl`

    if ENV_ID not in gymnasium.registry:
        gymnasium.register(
            ENV_ID,
            entry_point="rl.lob_env:MarketMakingEnv",
            vector_entry_point="rl.vector_env:MarketMakingVectorEnv",
        )


if find_spec("gymnasium"):
    _register()
