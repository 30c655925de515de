"""Is everything ready for a load test? Checks of the target, the settings, the database, the folders and the machine.

Each check is a function that takes what it needs and returns a `Finding`; `doctor` does them all.
"""

from perflab.readiness.examination import doctor
from perflab.readiness.finding import Finding, worst

__all__ = ["Finding", "doctor", "worst"]
