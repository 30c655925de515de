"""Is everything ready for a load test? Checks of the target, the settings, the database, the folders and the machine.

    from perflab.doctor import examine

Each check is a function that takes what it needs and returns a `Finding`; `examine` does them all.
"""

from perflab.doctor.examination import examine
from perflab.doctor.finding import Finding, Result, worst

__all__ = ["Finding", "Result", "examine", "worst"]
