"""How to trade: strategies, their client, the live and backtest drivers, and their metrics."""
