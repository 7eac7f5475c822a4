"""The report: one HTML file that a person wants to read, and the same facts as JSON.

`Facts` says everything that the page shows. `render` and `write_report` load matplotlib and jinja2 only
when they are called.
"""

from homing.report.experiment import Readout
from homing.report.facts import Facts
from homing.report.holdout import HoldoutFacts
from homing.report.leaderboard import Leaderboard
from homing.report.page import render, write_experiment, write_holdout, write_leaderboard, write_report

__all__ = [
    "Facts",
    "HoldoutFacts",
    "Leaderboard",
    "Readout",
    "render",
    "write_experiment",
    "write_holdout",
    "write_leaderboard",
    "write_report",
]
