"""The exchange process: the only clock and the only sockets of the exchange."""
