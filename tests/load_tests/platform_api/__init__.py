"""Tests of the reference Platform API, each against a real server on a real PostgreSQL."""
