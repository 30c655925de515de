"""What this machine can measure: a server that knows how long each of its answers took, and the load it is held to."""
