"""The matching engine: compiled and pure. Same record and commands in, same bytes out."""
