"""Policies side by side in a world: who keeps people coming, over time, and at what price."""

from __future__ import annotations

from math import isfinite

from homing.report.canvas import BAD, CYCLE, GOOD, INK, MUTED
from homing.report.facts import Estimate
from homing.report.leaderboard import Leaderboard, Measure, Score, Standing
from homing.report.numbers import change, compact, confidence, count, difference, interval, span, split
from homing.report.plots.forest import Row, forest
from homing.report.plots.lines import Line, lines
from homing.report.plots.ticks import Kind
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    Tile,
    difference_cell,
    interval_cell,
    number_cell,
    picture,
    slug,
)


def leaderboard_tiles(facts: Leaderboard) -> tuple[Tile, ...]:
    """Return what the comparison is of."""
    worlds = f"in each of {len(facts.seeds)} worlds" if len(facts.seeds) > 1 else ""
    lived = f"{facts.replicates} lives each" if facts.replicates > 1 else ""
    tiles = [
        Tile("People", compact(facts.people), ", ".join(filter(None, (worlds, lived)))),
        Tile("Days", count(facts.days)),
        Tile("Policies", count(len(facts.standings)), f"against {facts.baseline}"),
    ]
    if facts.header.log_from and facts.header.log_until:
        tiles.append(Tile("Period", span(facts.header.log_from, facts.header.log_until)))
    return tuple(tiles)


def leaderboard_sections(facts: Leaderboard) -> tuple[Section, ...]:
    """Return the sections: the order, the time course, every measure, and how to read them."""
    return (_order(facts), _course(facts), _measures(facts), _numbers(facts), _reading(facts))


def _order(facts: Leaderboard) -> Section:
    first = facts.measures[0]
    lead = (
        f"{first.name[:1].upper()}{first.name[1:]} a person, as a share more or less than with "
        f"`{facts.baseline}`, with {confidence(facts.confidence)} intervals."
    )
    rows = tuple(
        (
            Cell(standing.policy),
            interval_cell(standing.scores[0].mean, first.unit),
            difference_cell(standing.scores[0].difference, first.unit),
            _relative_cell(standing.scores[0]),
        )
        for standing in facts.standings
    )
    columns = ("Policy", f"{first.name} a person", "Difference", "Relative difference")
    table = Table(columns, rows, caption="Numbers", strong=_baseline_row(facts))
    return Section("order", "Leaderboard", lead, (_relative(facts, first, "order", half=False), table))


def _course(facts: Leaderboard) -> Section:
    lead = (
        "What a policy does to habits shows late. Active means a session on that day, or in that week; "
        "shaded bands are intervals of the difference, left out where there are many policies."
    )
    others = [standing for standing in facts.standings if standing.policy != facts.baseline]
    weeks = range(1, len(facts.standings[0].weekly) + 1)
    banded = len(others) <= len(CYCLE)  # more bands hide one another
    blocks: list[Block] = []
    if weeks and others:
        blocks.append(
            picture(
                "weekly",
                f"People active in a week, against {facts.baseline}",
                lambda width: lines(
                    [
                        Line("", (1, len(weeks)), (0.0, 0.0), MUTED, dashed=True),
                        *(
                            Line(
                                standing.policy,
                                tuple(weeks),
                                tuple(e.value for e in standing.weekly_difference),
                                _colour(place),
                                tuple(e.low for e in standing.weekly_difference) if banded else (),
                                tuple(e.high for e in standing.weekly_difference) if banded else (),
                                dashed=place >= len(CYCLE),
                                marker=len(weeks) == 1,
                            )
                            for place, standing in enumerate(others)
                        ),
                    ],
                    width,
                    max(300, round(width * 0.45)),
                    kind="change",
                    x_label="week",
                    y_label="share of people, difference",
                ),
                description=_last(others),
            )
        )
    days = range(1, facts.days + 1)
    blocks.append(
        picture(
            "daily",
            "People active on a day",
            lambda width: lines(
                [
                    Line(
                        standing.policy,
                        tuple(days),
                        standing.daily,
                        INK if standing.policy == facts.baseline else _colour(others.index(standing)),
                        dashed=standing in others and others.index(standing) >= len(CYCLE),
                    )
                    for standing in facts.standings
                ],
                width,
                max(300, round(width * 0.45)),
                kind="rate",
                x_label="day",
                y_label="share of people",
            ),
            description="; ".join(
                f"{standing.policy} from {standing.daily[0]:.3f} to {standing.daily[-1]:.3f}"
                for standing in facts.standings
            ),
        )
    )
    return Section("course", "Over time", lead, tuple(blocks))


def _last(others: list[Standing]) -> str:
    return "; ".join(
        f"{standing.policy} {difference(standing.weekly_difference[-1], 'rate')} in the last week"
        for standing in others
    )


def _measures(facts: Leaderboard) -> Section:
    lead = (
        f"Each measure against `{facts.baseline}`: green is better, red is worse, grey cannot be told from "
        "chance, or is neither. Reach is who could still be messaged at the end."
    )
    blocks: list[Block] = [
        _relative(facts, measure, f"measure-{place}", half=True)
        for place, measure in enumerate(facts.measures)
        if place
    ]
    return Section("measures", "Every measure", lead, tuple(blocks))


def _relative(facts: Leaderboard, measure: Measure, name: str, *, half: bool) -> Picture:
    """Return a forest of differences: relative where the baseline has any of it, and of shares in points."""
    relative = measure.unit == "number" and facts.standing(facts.baseline).score(measure.name).mean.value != 0
    rows = []
    for standing in facts.standings:
        score = standing.score(measure.name)
        estimate = (score.relative if relative else score.difference) or Estimate(0.0)
        if score.difference is None:
            text = split(interval(score.mean, measure.unit))[0]
        else:
            text = _difference(score, measure, relative=relative)
        rows.append(Row(standing.policy, estimate, text, _verdict(score, measure)))
    kind: Kind = "change" if relative or measure.unit == "rate" else "number"
    return picture(
        f"{name}-{slug([measure.name])}",
        f"{measure.name[:1].upper()}{measure.name[1:]}: {measure.meaning}",
        lambda width: forest(rows, width, kind, reference=0.0),
        description="; ".join(f"{row.label} {row.text}" for row in rows),
        half=half,
        note="" if not half else _unit_note(facts, measure, relative=relative),
    )


def _relative_cell(score: Score) -> Cell:
    if score.relative is None:
        return Cell("")
    number, bracket = split(change(score.relative))
    return Cell(number, score.relative.value, detail=bracket)


def _difference(score: Score, measure: Measure, *, relative: bool) -> str:
    if relative and score.relative is not None:
        return change(score.relative)
    return difference(score.difference, measure.unit)


def _unit_note(facts: Leaderboard, measure: Measure, *, relative: bool) -> str:
    mean = facts.standing(facts.baseline).score(measure.name).mean
    what = "Relative difference" if relative else "Difference"
    of = "share of people" if measure.unit == "rate" else "a person"
    return f"{what}; `{facts.baseline}` has {interval(mean, measure.unit)} ({of})."


def _verdict(score: Score, measure: Measure) -> str:
    """Return the colour of a score: better, worse, or neither."""
    found = score.difference
    if found is None:
        return INK
    if measure.direction == "none" or not isfinite(found.low) or found.low <= 0 <= found.high:
        return MUTED
    return GOOD if (found.value > 0) == (measure.direction == "up") else BAD


def _numbers(facts: Leaderboard) -> Section:
    """Return tables of every mean and every difference."""
    names = tuple(measure.name for measure in facts.measures)
    means = tuple(
        (
            Cell(standing.policy),
            *(
                number_cell(standing.score(measure.name).mean.value, measure.unit)
                for measure in facts.measures
            ),
        )
        for standing in facts.standings
    )
    differences = tuple(
        (
            Cell(standing.policy),
            *(
                difference_cell(standing.score(measure.name).difference, measure.unit)
                for measure in facts.measures
            ),
        )
        for standing in facts.standings
        if standing.policy != facts.baseline
    )
    blocks: list[Block] = [
        Table(("Policy", *names), means, caption="Means a person", strong=_baseline_row(facts)),
        Table(("Policy", *names), differences, caption=f"Differences from {facts.baseline}", folded=True),
    ]
    if len(facts.seeds) > 1:
        blocks.append(
            Table(
                ("Policy", *(f"seed {seed}" for seed in facts.seeds)),
                tuple(
                    (Cell(standing.policy), *(number_cell(value) for value in standing.by_seed))
                    for standing in facts.standings
                    if standing.policy != facts.baseline
                ),
                caption=f"Difference in {names[0]}, world by world",
            )
        )
    return Section("numbers", "Numbers", "", tuple(blocks))


def _reading(facts: Leaderboard) -> Section:
    texts = [
        "Every person lives through the period once with each policy, meets the same opportunities, and has "
        "the same luck for the same day and purpose. So a difference between two policies is of what they "
        "did, and its interval is much narrower than those of the two means suggest.",
        "Intervals are over people, as if others had been drawn from the same population. They do not cover "
        "another world: other messages, other mechanisms, other numbers. Those are what other seeds and "
        "other worlds are for.",
        facts.training,
        f"Made by `{facts.command}`." if facts.command else "",
    ]
    return Section("reading", "How to read this", "", tuple(Text(text) for text in texts if text))


def _baseline_row(facts: Leaderboard) -> frozenset[int]:
    return frozenset(
        place for place, standing in enumerate(facts.standings) if standing.policy == facts.baseline
    )


def _colour(place: int) -> str:
    return CYCLE[place % len(CYCLE)]
