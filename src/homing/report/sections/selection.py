"""Which learner's long-term values decide, and what each one would gain."""

from __future__ import annotations

from homing.report.facts import Selection
from homing.report.numbers import confidence, count
from homing.report.view import Cell, Section, Table, Text, difference_cell, judgement_cell

#: What the estimates are of.
MEANS = (
    "A gain is of one decision: the learner's best candidate in place of the log's choice, and the log's "
    "policy from the next epoch on. It is what the learner promises, by how much of that came true for users "
    "whom its fit did not see, where chance decided; effects are taken to be linear in its values. The first "
    "one decides unless the one that gains most is ahead of it with confidence. Its interval stands alone; "
    "those of the others, and of their leads over the first, hold together."
)


def selection_section(selection: Selection) -> Section:
    """The learners and their gains over the log."""
    lead = (
        f"Utility over the horizon per decision, against the log, from {count(selection.decisions)} training "
        f"decisions whose horizon is over, with {confidence(selection.confidence)} intervals."
    )
    rows = tuple(
        (
            Cell(learner.learner, detail="decides" if learner.decides else ""),
            difference_cell(learner.versus_logging, "number"),
            judgement_cell(learner.judgement, learner.reason),
        )
        for learner in selection.learners
    )
    strong = frozenset(place for place, learner in enumerate(selection.learners) if learner.decides)
    table = Table(("Learner", "Against the log", "Judgement"), rows, strong=strong)
    return Section("learners", "Long-term values", lead, (table, Text(MEANS)))
