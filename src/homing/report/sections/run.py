"""What the run took, where it came from, and how to read the page."""

from __future__ import annotations

from math import isfinite

from homing.report.canvas import ACCENT
from homing.report.facts import Facts, Provenance, Stage
from homing.report.numbers import confidence, duration, memory, moment
from homing.report.plots.bars import Bar, bars
from homing.report.view import Block, Cell, Section, Table, Text, count_cell, number_cell, picture


def stages_section(stages: tuple[Stage, ...]) -> Section:
    """Time and memory by stage."""
    total = sum(stage.seconds for stage in stages if isfinite(stage.seconds))
    peak = max((stage.peak_bytes for stage in stages if isfinite(stage.peak_bytes)), default=float("nan"))
    lead = f"The run took {duration(total)}"
    lead += f" and at most {memory(peak)} of memory." if isfinite(peak) else "."
    drawn = [
        Bar(
            stage.name,
            0,
            stage.seconds if isfinite(stage.seconds) else 0,
            duration(stage.seconds),
            ACCENT,
            note=memory(stage.peak_bytes) if isfinite(stage.peak_bytes) else "",
        )
        for stage in stages
    ]
    figure = picture(
        "stages",
        "Time by stage",
        lambda width: bars(drawn, width),
        description="; ".join(f"{row.label} {row.text}" for row in drawn),
    )
    numbers = Table(
        ("Stage", "Time", "Share", "Peak memory", "Rows"),
        tuple(
            (
                Cell(stage.name),
                Cell(duration(stage.seconds), stage.seconds if isfinite(stage.seconds) else None),
                number_cell(stage.seconds / total if total else float("nan"), "rate"),
                Cell(memory(stage.peak_bytes), stage.peak_bytes if isfinite(stage.peak_bytes) else None),
                count_cell(stage.rows) if stage.rows is not None else Cell(""),
            )
            for stage in stages
        ),
        caption="Numbers",
        folded=True,
    )
    return Section("run", "The run", lead, (figure, numbers))


def reading_section(facts: Facts) -> Section:
    """What the numbers mean, in plain sentences, and what it takes to get them again."""
    blocks: list[Block] = [Text(sentence) for sentence in _sentences(facts)]
    if facts.provenance is not None:
        blocks += [Text(note) for note in facts.provenance.notes]
        blocks.append(_provenance(facts, facts.provenance))
    return Section("reading", "How to read this", "", tuple(blocks))


def _sentences(facts: Facts) -> list[str]:
    level = confidence(facts.values.confidence if facts.values else 0.95)
    sentences = [
        f"Brackets hold an interval: if the same study were done many times, {level} of such intervals "
        "would hold the true number. Where the intervals of two policies overlap, look at the difference: "
        "it has an interval of its own, and only that one says which policy is better.",
    ]
    if facts.values is not None:
        sentences += [
            "Worth is estimated from the log, without running a policy: decisions that it would have made "
            "count more, others count less. IPS and SNIPS do only that, DM trusts a model of the outcomes, "
            "and DR corrects the model by the log; where they disagree, be careful.",
            "The effective size is how many decisions an estimate really rests on. Where it is small, the "
            "log says little about that policy, whatever the interval looks like; it is "
            "marked “do not trust”.",
        ]
    if facts.quality is not None:
        sentences.append(
            "Skill is the share of a constant’s loss that the model removes: 0 % is guessing the mean for "
            "everybody. Calibration asks whether what is predicted to happen in 5 % of cases does so."
        )
    if facts.schedule is not None or facts.funnel is not None:
        sentences.append(
            "A candidate is one message through one channel in one slot; to hold, that is to send nothing, "
            "is one more. Consent, caps, quiet hours and spacing are hard rules and never traded."
        )
    return sentences


def _provenance(facts: Facts, provenance: Provenance) -> Table:
    rows = [("Run", facts.header.run_id), ("Made", moment(facts.header.created_at))]
    rows += [("Command", provenance.command)] if provenance.command else []
    rows += [("Configuration", provenance.config_hash), *provenance.versions]
    return Table(
        ("What", "Value"),
        tuple((Cell(name), Cell(text)) for name, text in rows),
        caption="Where this comes from",
    )
