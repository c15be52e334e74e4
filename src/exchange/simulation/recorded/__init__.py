"""Recorded order-by-order data (LOBSTER, Databento MBO, Shanghai) that drives the engine."""
