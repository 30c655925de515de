"""What the commands print to stdout: tables for people, JSON for programs."""

from perflab.cli.output.calibration import print_calibration
from perflab.cli.output.comparison import print_check, print_comparison
from perflab.cli.output.console import PLAIN_WIDTH, failure_reported
from perflab.cli.output.sweeps import print_list, print_report, print_result

__all__ = [
    "PLAIN_WIDTH",
    "failure_reported",
    "print_calibration",
    "print_check",
    "print_comparison",
    "print_list",
    "print_report",
    "print_result",
]
