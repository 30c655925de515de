"""Is everything ready for a load test? Checks of the target, the settings, the database, the folders and the machine.

Each check is a function that takes what it needs and returns a `Finding`; `examination.doctor` does them all.
"""
