"""What users share: how much a plan uses of each budget, what one more unit is worth, what a budget costs."""

from __future__ import annotations

from math import isfinite, isnan, nan

from homing.report.canvas import ACCENT, CYCLE, MUTED
from homing.report.facts import AccountUse, BudgetCurve, BudgetPoint, Budgets, BudgetUse
from homing.report.numbers import THIN, count, duration, moment, percent, significant
from homing.report.plots.bars import Bar, bars
from homing.report.plots.lines import Line, lines
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
    count_cell,
    number_cell,
    picture,
    slug,
)

_MOST_BARS = 24  # budgets and periods; more are in the table only


def budgets_section(budgets: Budgets | None, curves: tuple[BudgetCurve, ...] | None) -> Section:
    """Budgets of the plan, and how its worth changes with their size."""
    blocks: list[Block] = []
    lead = ""
    if budgets is not None:
        lead = _lead(budgets)
        blocks += _plan(budgets)
    drawn = [(place, curve) for place, curve in enumerate(curves or ()) if _known(curve)]
    blocks += [_curve(curve, place) for place, curve in drawn]
    blocks += [_points(curve) for curve in curves or ()]
    return Section("budgets", "What users share", lead, tuple(blocks))


def _lead(budgets: Budgets) -> str:
    priced = [use for use in budgets.uses if use.price]
    if not priced:
        return "No budget binds: the plan would be the same without them."
    dearest = max(priced, key=lambda use: use.lost)
    number = f"{len(priced)} of {len(budgets.uses)} budgets bind. " if len(budgets.uses) > 1 else ""
    return number + _worth(dearest)


def _worth(use: BudgetUse) -> str:
    """Return what one more unit of a budget is worth, as a sentence."""
    amounts = " or ".join(f"{significant(abs(worth.amount))} {worth.objective}" for worth in use.worth)
    amounts = amounts or f"{significant(abs(use.price))} of utility"
    if use.price > 0:
        return f"One more in `{use.budget}` ({use.counts}) would be worth {amounts}."
    return f"One less in the minimum of `{use.budget}` ({use.counts}) would be worth {amounts}."


def _plan(budgets: Budgets) -> list[Block]:
    gap = (budgets.bound - budgets.value) / abs(budgets.bound) if budgets.bound else nan
    blocks: list[Block] = [
        Tiles(
            (
                Tile("Expected utility", significant(budgets.value), f"at most {significant(budgets.bound)}"),
                Tile("Gap", percent(gap), "to the best, exploring included"),
                Tile("Largest excess", percent(budgets.violation), "of an expected total"),
                Tile(
                    "Prices", f"{budgets.passes} passes", f"over all candidates, {duration(budgets.seconds)}"
                ),
            )
        )
    ]
    names = [use.budget for use in budgets.uses]
    several = len(set(names)) < len(names)
    shown = [use for use in budgets.uses if isfinite(_size(use)) and _size(use) > 0][:_MOST_BARS]
    if shown:
        drawn = [
            Bar(
                _name(use, several),
                0,
                (use.before + use.drawn) / _size(use),
                percent((use.before + use.drawn) / _size(use)),
                ACCENT if use.price else MUTED,
                note="binds" if use.price else "",
            )
            for use in shown
        ]
        blocks.append(
            picture(
                "budgets-use",
                "Used, as a share of the maximum, or of the minimum where there is only that",
                lambda width: bars(drawn, width),
                description="; ".join(f"{row.label} {row.text}" for row in drawn),
            )
        )
    blocks.append(_table(budgets, several))
    if budgets.by_account:
        blocks += _accounts(budgets, several)
    if any(use.price for use in budgets.uses):
        blocks.append(_prices(budgets, several))
    blocks += [
        Text(
            f"`{use.budget}`{_whose(use)} was widened by {significant(use.relaxed_by)}: it cannot be kept "
            "with the others, the hard rules and exploration."
        )
        for use in budgets.by_account or budgets.uses
        if use.relaxed_by
    ]
    return blocks


def _table(budgets: Budgets, several: bool) -> Table:
    return Table(
        ("Budget", "Minimum", "Maximum", "Before", "Wanted", "Expected", "Drawn"),
        tuple(
            (
                Cell(use.budget, detail=f"{use.counts}, {moment(use.starts_at)}" if several else use.counts),
                Cell("") if isnan(use.least) else number_cell(use.least),
                Cell("") if isnan(use.most) else number_cell(use.most),
                number_cell(use.before),
                number_cell(use.wanted),
                number_cell(use.expected),
                number_cell(use.drawn),
            )
            for use in budgets.uses
        ),
        caption="Use of each budget",
    )


def _whose(use: BudgetUse | AccountUse) -> str:
    return f" of `{use.account}`" if isinstance(use, AccountUse) else ""


def _accounts(budgets: Budgets, several: bool) -> list[Block]:
    return [
        Text(
            "Users in the same arms have a part of each budget to themselves, in proportion to their number, "
            "and their own prices. What the global holdout uses is taken off first. An arm whose rule has no "
            "prices is not asked for minima."
        ),
        Table(
            ("Budget", "Users in", "Users", "Minimum", "Maximum", "Before", "Expected", "Drawn", "Price"),
            tuple(
                (
                    Cell(use.budget, detail=moment(use.starts_at) if several else ""),
                    Cell(use.account),
                    count_cell(use.users),
                    Cell("") if isnan(use.least) else number_cell(use.least),
                    Cell("") if isnan(use.most) else number_cell(use.most),
                    number_cell(use.before),
                    number_cell(use.expected),
                    number_cell(use.drawn),
                    Cell("") if isnan(use.price) else number_cell(use.price),
                )
                for use in budgets.by_account
            ),
            caption="Parts of each budget, for this plan",
        ),
    ]


def _prices(budgets: Budgets, several: bool) -> Table:
    priced = [use for use in budgets.uses if use.price]
    names = [worth.objective for worth in priced[0].worth]
    return Table(
        ("Budget", "Price, in utility", *(f"in {name}" for name in names), "Utility lost, at most"),
        tuple(
            (
                Cell(_name(use, several), detail=f"of one more ({use.counts})"),
                number_cell(use.price),
                *(number_cell(worth.amount) for worth in use.worth),
                number_cell(use.lost),
            )
            for use in priced
        ),
        caption="What one more unit is worth",
    )


def _curve(curve: BudgetCurve, place: int) -> Picture:
    points = _known(curve)
    sizes = [point.size for point in points]
    here = next((point.objective for point in points if point.factor == 1), 0.0)
    drawn = [
        Line("by price", sizes, [point.first_order - here for point in points], MUTED, dashed=True),
        Line("solved again", sizes, [point.objective - here for point in points], CYCLE[0], marker=True),
    ]
    return picture(
        f"budget-{place}-{slug([curve.budget])}",
        f"Worth of the plan by the {curve.bound}imum of {curve.budget}",
        lambda width: lines(
            drawn,
            width,
            round(width * (0.42 if width > 500 else 0.75)),
            kind="number",
            x_ticks=[(size, significant(size)) for size in sizes] if len(sizes) <= 6 else (),
            x_label=f"{curve.budget} ({curve.counts})",
            y_label="utility gained, what exploring is worth included",
        ),
        description="; ".join(f"{significant(p.size)}: {significant(p.objective - here)}" for p in points),
        note=f"{count(curve.users)} users at {moment(curve.epoch_at)}. The dashed line follows the price at "
        "the configured size; its slope is what one more unit is worth.",
    )


def _known(curve: BudgetCurve) -> list[BudgetPoint]:
    return [point for point in curve.points if isfinite(point.size)]


def _points(curve: BudgetCurve) -> Table:
    return Table(
        (f"Size of {curve.budget}", "Objective", "By price alone", "Expected utility", "Used", "Price"),
        tuple(
            (
                _cell(point.size, detail=f"{significant(point.factor)}{THIN}×"),
                _cell(point.objective, 6),
                _cell(point.first_order, 6),
                _cell(point.value, 6),
                number_cell(point.used),
                _cell(point.price, detail="" if point.met else "cannot be kept"),
            )
            for point in curve.points
        ),
        caption=f"Numbers: {curve.budget}",
        folded=True,
        strong=frozenset(place for place, point in enumerate(curve.points) if point.factor == 1),
    )


def _cell(value: float, digits: int = 3, detail: str = "") -> Cell:
    return Cell(significant(value, digits), value if isfinite(value) else None, detail=detail)


def _name(use: BudgetUse, several: bool) -> str:
    return f"{use.budget}, {moment(use.starts_at)}" if several else use.budget


def _size(use: BudgetUse) -> float:
    return use.least if isnan(use.most) else use.most
