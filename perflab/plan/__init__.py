"""What is to be run, against what, and what it is held to: plans, options, objectives, hosts that may be loaded."""
