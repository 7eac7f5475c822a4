"""Who gets what and when."""

from __future__ import annotations

from math import nan

from homing.report.canvas import ACCENT, NEUTRAL
from homing.report.facts import Count, Estimate, Expected, MessageShare, Schedule
from homing.report.numbers import compact, count, moment, percent
from homing.report.plots.bars import Bar, bars, heat
from homing.report.view import (
    Block,
    Cell,
    Picture,
    Section,
    Table,
    Tile,
    Tiles,
    count_cell,
    difference_cell,
    number_cell,
    picture,
)

_MOST_MESSAGES = 15


def schedule_section(schedule: Schedule) -> Section:
    """The plan of one epoch."""
    total = schedule.sends + schedule.holds
    held = schedule.holds / total if total else nan
    lead = f"The plan for {moment(schedule.epoch_at)}: "
    if schedule.sends:
        lead += f"{count(schedule.sends)} messages for {count(schedule.users)} users. {percent(held)} of the "
        lead += "decisions hold, that is, send nothing."
    else:
        lead += f"no message for any of {count(schedule.users)} users."
    tiles = [
        Tile("Messages", compact(schedule.sends), f"for {compact(schedule.users)} users"),
        Tile("Held", percent(held), f"{compact(schedule.holds)} decisions"),
    ]
    blocks: list[Block] = [Tiles(tuple(tiles))]
    if schedule.expected:
        blocks.append(_expected(schedule.expected))
    if schedule.hours and schedule.sends:
        blocks += _hours(schedule)
    if schedule.channels and schedule.sends:
        blocks.append(_volume("channels", "Messages by channel", schedule.channels, schedule.sends))
    if schedule.sends_per_user:
        title = f"Users by messages in {schedule.sends_window}"
        users = sum(row.count for row in schedule.sends_per_user)
        blocks.append(_volume("per-user", title, schedule.sends_per_user, users))
    if schedule.messages and schedule.sends:
        blocks += _messages(schedule)
    if schedule.categories and schedule.sends:
        blocks.append(
            Table(
                ("Category", "Messages", "Share"),
                tuple(
                    (
                        Cell(row.name),
                        count_cell(row.count),
                        number_cell(_share(row.count, schedule.sends), "rate"),
                    )
                    for row in schedule.categories
                ),
                caption="Numbers: categories",
                folded=True,
            )
        )
    return Section("plan", "Who gets what, and when", lead, tuple(blocks))


def _expected(rows: tuple[Expected, ...]) -> Table:
    return Table(
        ("Objective", "With this plan", "If nothing were sent", "Difference"),
        tuple(
            (
                Cell(row.objective, detail=row.meaning),
                number_cell(row.planned, row.unit),
                number_cell(row.hold, row.unit),
                difference_cell(Estimate(row.planned - row.hold), row.unit),
            )
            for row in rows
        ),
        caption="What the model expects of it, per decision",
    )


def _hours(schedule: Schedule) -> tuple[Picture, Table]:
    rows = [(row.channel, row.sends) for row in schedule.hours]
    texts = [
        [compact(number, full=999).replace("\u202f", "") for number in row.sends] for row in schedule.hours
    ]
    peaks = "; ".join(
        f"{row.channel} mostly at {max(range(24), key=lambda hour: row.sends[hour]):02d}:00"
        for row in schedule.hours
        if any(row.sends)
    )
    figure = picture(
        "hours",
        "Planned messages by channel and the user’s local hour",
        lambda width: heat(rows, texts, width),
        description=peaks or "No message is planned",
    )
    used = [hour for hour in range(24) if any(row.sends[hour] for row in schedule.hours)]
    numbers = Table(
        ("Local hour", *(row.channel for row in schedule.hours)),
        tuple(
            (Cell(f"{hour:02d}:00"), *(count_cell(row.sends[hour]) for row in schedule.hours))
            for hour in used
        ),
        caption="Numbers",
        folded=True,
    )
    return figure, numbers


def _volume(name: str, title: str, rows: tuple[Count, ...], total: int) -> Picture:
    drawn = [
        Bar(row.name, 0, row.count, compact(row.count), ACCENT, note=percent(_share(row.count, total)))
        for row in rows
    ]
    return picture(
        name,
        title,
        lambda width: bars(drawn, width),
        description="; ".join(f"{row.name} {count(row.count)}" for row in rows),
        half=True,
    )


def _messages(schedule: Schedule) -> tuple[Picture, Table]:
    ranked = sorted(schedule.messages, key=lambda row: -row.sends)
    top = ranked[:_MOST_MESSAGES]
    drawn = [
        Bar(
            row.message,
            0,
            row.sends,
            compact(row.sends),
            ACCENT,
            note=f"{percent(_share(row.sends, schedule.sends))}  {row.category}",
        )
        for row in top
    ]
    rest = sum(row.sends for row in ranked[_MOST_MESSAGES:])
    if rest:
        drawn.append(Bar(f"{len(ranked) - len(top)} others", 0, rest, compact(rest), NEUTRAL))
    figure = picture(
        "messages",
        "Most sent messages",
        lambda width: bars(drawn, width),
        description="; ".join(f"{row.message} {count(row.sends)}" for row in top),
    )
    return figure, _message_table(tuple(ranked[:100]), schedule.sends)


def _message_table(rows: tuple[MessageShare, ...], sends: int) -> Table:
    objectives = tuple(dict.fromkeys(value.name for row in rows for value in row.expected))
    cells = []
    for row in rows:
        values = {value.name: value.value for value in row.expected}
        cells.append(
            (
                Cell(row.message, detail=row.category),
                count_cell(row.sends),
                number_cell(_share(row.sends, sends), "rate"),
                *(number_cell(values.get(name, nan)) for name in objectives),
            )
        )
    columns = ("Message", "Sends", "Share", *(f"Expected {name}" for name in objectives))
    return Table(columns, tuple(cells), caption="Numbers: messages", folded=True)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else nan
