"""Who else is in the market: seeded, compiled participants that send orders to the engine."""
