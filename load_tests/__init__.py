"""Load tests of the Platform API: Locust users of its auth, generation and payment endpoints."""
