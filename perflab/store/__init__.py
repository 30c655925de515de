"""``runs/`` on disk: layout, manifests and the latency format. Standard library and pydantic only."""
