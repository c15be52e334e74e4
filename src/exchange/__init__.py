"""The market: a compiled matching engine, simulated participants, and the exchange process."""
