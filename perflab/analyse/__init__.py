"""From recorded samples to a verdict: pandas, numpy and scipy; never locust, never matplotlib."""
