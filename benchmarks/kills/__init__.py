"""Kills perflab's processes at random moments and looks at what they leave: ``python -m benchmarks.kills``."""
