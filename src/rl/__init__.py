"""How to learn to trade: environments and training over the same engine."""
