"""Slower, or just noise? Two sets of runs compared, with error rates that are known."""
