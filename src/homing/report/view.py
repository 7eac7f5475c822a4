"""What the template shows: sections of figures, tables and sentences. Only texts, no arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup
from matplotlib.figure import Figure as Drawing

from homing.report.canvas import to_svg
from homing.report.facts import Estimate, Judgement, Unit
from homing.report.numbers import count, difference, interval, plain, split

#: Widths of a figure over the whole column, on a wide screen and on a phone, and of one beside another.
WIDE, NARROW, HALF = 800, 348, 384

JUDGEMENTS: dict[Judgement, tuple[str, str]] = {
    "reference": ("reference", "neutral"),
    "better": ("better", "good"),
    "worse": ("worse", "bad"),
    "cannot_tell": ("cannot tell", "neutral"),
    "do_not_trust": ("do not trust", "doubt"),
}


@dataclass(frozen=True)
class Cell:
    """One cell of a table; `value` is the exact number behind the text."""

    text: str
    value: float | None = None
    chip: str = ""  # the tone of a chip
    detail: str = ""  # a second, muted line


@dataclass(frozen=True)
class Table:
    """A table; columns that hold numbers are aligned right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    folded: bool = False  # in a <details>, for who wants the numbers of a plot
    strong: frozenset[int] = frozenset()  # rows to stress

    def is_number(self, column: int) -> bool:
        """Whether the column is aligned as numbers."""
        return any(row[column].value is not None for row in self.rows)


@dataclass(frozen=True)
class Picture:
    """A plot as SVG, in one drawing or in one for wide screens and one for phones."""

    title: str
    wide: Markup
    narrow: Markup | None = None
    note: str = ""
    half: bool = False


@dataclass(frozen=True)
class Tile:
    """One number that matters, large."""

    label: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Several tiles in a row."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Text:
    """A sentence between blocks."""

    text: str


Block = Table | Picture | Tiles | Text


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    name: str  # id and anchor
    title: str
    lead: str = ""
    blocks: tuple[Block, ...] = ()
    command: str = ""  # that produces this section; set where it is missing


def number_cell(number: float, unit: Unit = "number") -> Cell:
    """Return a number with its exact value."""
    return Cell(plain(number, unit), _known(number))


def count_cell(number: float) -> Cell:
    """Return a whole number with its exact value."""
    return Cell(count(number), _known(number))


def interval_cell(estimate: Estimate | None, unit: Unit) -> Cell:
    """Return an estimate with its interval."""
    if estimate is None:
        return Cell("")
    return _bracketed(interval(estimate, unit), estimate)


def difference_cell(estimate: Estimate | None, unit: Unit) -> Cell:
    """Return a difference with its interval; empty where there is none."""
    if estimate is None:
        return Cell("")
    return _bracketed(difference(estimate, unit), estimate)


def judgement_cell(judgement: Judgement, reason: str) -> Cell:
    """Return a judgement as a chip with its reason."""
    text, tone = JUDGEMENTS[judgement]
    return Cell(text, chip=tone, detail=reason)


def picture(
    name: str,
    title: str,
    draw: Callable[[int], Drawing],
    *,
    description: str,
    half: bool = False,
    note: str = "",
) -> Picture:
    """Draw a plot at the widths that the page needs; `name` has to be unique on the page."""
    if half:
        return Picture(title, _svg(draw(HALF), name, title, description), note=note, half=True)
    wide = _svg(draw(WIDE), name, title, description)
    narrow = _svg(draw(NARROW), f"{name}-narrow", title, description)
    return Picture(title, wide, narrow, note)


def slug(words: Sequence[str | int]) -> str:
    """Return an id of the words' letters and digits; the caller keeps it unique with a place."""
    joined = "-".join(str(word).lower() for word in words)
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in joined)


def _svg(drawing: Drawing, name: str, title: str, description: str) -> Markup:
    # the drawing has escaped every text in it
    return Markup(to_svg(drawing, name, title, description))


def _bracketed(text: str, estimate: Estimate) -> Cell:
    number, bracket = split(text)
    return Cell(number, _known(estimate.value), detail=bracket)


def _known(number: float) -> float | None:
    return number if isfinite(number) else None
