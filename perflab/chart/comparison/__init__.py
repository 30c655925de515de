"""Charts of a comparison: a `SweepComparison` in, a `Chart` out."""
