"""Data health and the funnel: what came in, and what the rules left of it."""

from __future__ import annotations

from math import isfinite, nan

from homing.report.canvas import ACCENT, BAD, GOOD, MUTED, NEUTRAL
from homing.report.facts import Funnel, Health, PropensityCheck, Timeline
from homing.report.numbers import compact, count, day, interval, percent
from homing.report.plots.bars import Bar, bars
from homing.report.plots.forest import Row, forest
from homing.report.plots.lines import multiples
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
    count_cell,
    interval_cell,
    number_cell,
    picture,
)

_MOST_GROUPS = 24


def health_section(health: Health) -> Section:
    """What the ledger holds, what was set aside, and whether the log did what it claims."""
    rows, bad = (
        sum(table.rows for table in health.tables),
        sum(table.quarantined for table in health.tables),
    )
    share = bad / (rows + bad) if rows + bad else nan
    lead = f"The ledger holds {count(rows)} rows. "
    lead += f"{count(bad)} more ({percent(share)}) are in quarantine." if bad else "None is in quarantine."
    if health.propensity:
        lead += f" {_propensity_sentence(health.propensity)}"
    blocks: list[Block] = [_tables(health)]
    if health.quarantine:
        blocks.append(
            Table(
                ("Table", "Why the row was set aside", "Rows"),
                tuple((Cell(row.table), Cell(row.reason), count_cell(row.rows)) for row in health.quarantine),
                caption="Quarantine",
            )
        )
    if health.events is not None and health.events.days:
        blocks += _timeline("events", "Events a day, each type on its own scale", health.events, total=True)
    if health.reachable is not None and health.reachable.days:
        blocks += _timeline(
            "reachable", "Users who can be reached, by channel", health.reachable, total=False
        )
    if health.propensity:
        blocks += _propensity(health.propensity)
    return Section("data", "Data", lead, tuple(blocks))


def funnel_section(funnel: Funnel) -> Section:
    """How reasons to message became messages."""
    came = f"{count(funnel.opportunities)} opportunities of {count(funnel.users)} users"
    if not funnel.candidates:
        return Section("funnel", "Funnel", f"{came} gave no candidate, so there was nothing to choose from.")
    left = funnel.eligible / funnel.candidates
    lead = (
        f"{came} gave {count(funnel.candidates)} candidates of channel and slot; "
        f"the rules left {percent(left)} of them."
    )
    removed = sorted((rule for rule in funnel.removed if rule.count), key=lambda rule: -rule.count)
    if removed:
        lead += f" “{removed[0].name}” removed the most."
    tiles = Tiles(
        (
            Tile("Opportunities", compact(funnel.opportunities)),
            Tile("Candidates", compact(funnel.candidates), "opportunity × channel × slot"),
            Tile(
                "Eligible",
                compact(funnel.eligible),
                f"{percent(left)} of candidates",
            ),
            Tile("Sends drawn", compact(funnel.sends), f"{compact(funnel.holds)} users held"),
        )
    )
    remaining = funnel.candidates
    steps = [Bar("candidates", 0, funnel.candidates, compact(funnel.candidates), NEUTRAL, strong=True)]
    for rule in removed:
        share = f"−{percent(rule.count / funnel.candidates)}"
        start = max(remaining - rule.count, 0)
        steps.append(Bar(rule.name, start, remaining, f"−{compact(rule.count)}", BAD, note=share))
        remaining = start
    steps.append(Bar("eligible", 0, funnel.eligible, compact(funnel.eligible), ACCENT, strong=True))
    steps.append(Bar("sends", 0, funnel.sends, compact(funnel.sends), GOOD, strong=True))
    figure = picture(
        "funnel",
        "What each rule removed",
        lambda width: bars(steps, width),
        description=lead,
        note="Every removed candidate is counted once, under the first rule that removed it.",
    )
    numbers = Table(
        ("Rule", "Candidates removed", "Share of candidates"),
        tuple(
            (
                Cell(rule.name),
                count_cell(rule.count),
                number_cell(rule.count / funnel.candidates, "rate"),
            )
            for rule in removed
        ),
        caption="Numbers",
        folded=True,
    )
    return Section("funnel", "Funnel", lead, (tiles, figure, *((numbers,) if removed else ())))


def _tables(health: Health) -> Table:
    return Table(
        ("Table", "Rows", "Quarantined", "From", "Until"),
        tuple(
            (
                Cell(table.table),
                count_cell(table.rows),
                count_cell(table.quarantined),
                Cell(day(table.first_at)),
                Cell(day(table.last_at)),
            )
            for table in health.tables
        ),
        caption="Ledger",
    )


def _timeline(name: str, title: str, timeline: Timeline, *, total: bool) -> tuple[Picture, Table]:
    last = len(timeline.days) - 1
    ends = (0, last) if last else (0,)
    ticks = [(place, day(timeline.days[place]).rpartition(" ")[0] or timeline.days[place]) for place in ends]
    named = []
    for series in timeline.series:
        known = [number for number in series.values if isfinite(number)]
        text = compact(sum(known) if total else known[-1]) if known else "–"
        named.append((series.name, series.values, f"{text} in all" if total else f"{text} now"))
    figure = picture(
        name,
        title,
        lambda width: multiples(named, ticks, width),
        description=f"{title}, {timeline.days[0]} to {timeline.days[-1]}: "
        + "; ".join(f"{label} {text}" for label, _, text in named),
    )
    rows = tuple(
        (Cell(date), *(count_cell(series.values[place]) for series in timeline.series))
        for place, date in enumerate(timeline.days)
    )
    columns = ("Day", *(series.name for series in timeline.series))
    return figure, Table(columns, rows, caption="Numbers", folded=True)


def _off(check: PropensityCheck) -> bool:
    return check.logged < check.observed.low or check.logged > check.observed.high


def _known(check: PropensityCheck) -> bool:
    return all(map(isfinite, (check.logged, check.observed.low, check.observed.high)))


def _propensity_sentence(checks: tuple[PropensityCheck, ...]) -> str:
    known = [check for check in checks if _known(check)]
    if not known:
        return "Too little is known to check the logged propensities."
    off = sum(map(_off, known))
    if not off:
        return "Logged propensities agree with what was drawn."
    return f"Logged propensities disagree with what was drawn in {off} of {len(known)} groups."


def _propensity(checks: tuple[PropensityCheck, ...]) -> tuple[Picture, Table]:
    # the groups that disagree come first, so that cutting the plot cannot hide them
    shown = sorted(checks, key=lambda check: not _off(check))[:_MOST_GROUPS]
    rows = [
        Row(
            check.group,
            check.observed,
            interval(check.observed, "rate"),
            BAD if _off(check) else MUTED,
            expected=check.logged,
        )
        for check in shown
    ]
    note = "Dot and line: share that was drawn, with its interval. Bar: share that the log promises."
    if len(shown) < len(checks):
        note += f" {len(shown)} of {len(checks)} groups; all are in the table."
    figure = picture(
        "propensity",
        "Do the logged propensities match the log?",
        lambda width: forest(rows, width, "rate"),
        description=_propensity_sentence(checks),
        note=note,
    )
    numbers = Table(
        ("Group", "Decisions", "Promised", "Drawn"),
        tuple(
            (
                Cell(check.group),
                count_cell(check.decisions),
                number_cell(check.logged, "rate"),
                interval_cell(check.observed, "rate"),
            )
            for check in checks
        ),
        caption="Numbers",
        folded=True,
    )
    return figure, numbers
