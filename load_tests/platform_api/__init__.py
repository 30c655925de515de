"""The reference Platform API: a real service on a real PostgreSQL, with faults that can be switched on."""
