"""A matplotlib figure as inline SVG that belongs to the page: its font, its colours, light or dark.

Figures are drawn in sentinel colours, one a role, and each sentinel becomes a CSS variable. One unit of the
drawing is one CSS pixel. Equal figures give equal bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

INK: Final = "#010101"
MUTED: Final = "#020202"
RULE: Final = "#030303"
PAPER: Final = "#040404"
ACCENT: Final = "#050505"
GOOD: Final = "#060606"
BAD: Final = "#070707"
NEUTRAL: Final = "#080808"
ON_ACCENT: Final = "#090909"
#: Told apart by people who confuse red and green, and by lightness.
CYCLE: Final = ("#0a0a0a", "#0b0b0b", "#0c0c0c", "#0d0d0d", "#0e0e0e", "#0f0f0f")

_VARIABLES: Final = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    ACCENT: "accent",
    GOOD: "good",
    BAD: "bad",
    NEUTRAL: "neutral",
    ON_ACCENT: "on-accent",
} | {colour: f"series-{place}" for place, colour in enumerate(CYCLE, 1)}

FONT: Final = 12.0
SMALL: Final = 11.0
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "homing",
    "font.family": ["DejaVu Sans"],  # ships with matplotlib: text is measured alike on every machine
    "font.size": FONT,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.unicode_minus": True,
    "axes.formatter.use_mathtext": False,
    "axes.labelcolor": MUTED,
    "axes.labelsize": SMALL,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.linewidth": 1.0,
    "axes.axisbelow": True,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "figure.dpi": 72.0,
    "figure.facecolor": "none",
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
}
_TAG: Final = re.compile(r"<[^>]+>")
_FONT_STYLE: Final = re.compile(r"(style=\"font: )([^;\"]*?)([\d.]+px) [^;\"]*")
_FONT_FAMILY: Final = re.compile(r"font-family: [^;\"]*;? ?")
_LONG_NUMBER: Final = re.compile(r"(\d+\.\d\d)\d+")
_SENTINEL: Final = re.compile("|".join(_VARIABLES))
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")


def figure(width: int, height: int) -> Figure:
    """Return an empty figure of `width` x `height` CSS pixels."""
    with mpl.rc_context(_STYLE):
        drawn = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasSVG(drawn)
        drawn.patch.set_visible(False)
        return drawn


def axes(drawn: Figure, left: float, right: float, top: float, bottom: float) -> Axes:
    """Return axes that leave these margins, in pixels."""
    width, height = drawn.get_size_inches() * 72
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    with mpl.rc_context(_STYLE):
        area = drawn.add_axes(box)
    for side in ("top", "right", "left"):
        area.spines[side].set_visible(False)
    area.patch.set_visible(False)
    area.tick_params(length=0, pad=5)
    return area


def to_svg(drawn: Figure, name: str, title: str, description: str) -> str:
    """Return the figure as an `<svg>` element whose ids all start with `name`."""
    buffer = io.StringIO()
    for text in drawn.findobj(Text):
        assert isinstance(text, Text)
        text.set_text(clean(text.get_text()))
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # the browser's fonts draw the text; that the measuring font lacks a glyph does not matter
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    width, height = (round(side * 72) for side in drawn.get_size_inches())
    body = buffer.getvalue()
    # without the first definitions: a style sheet that would hold for the whole page
    body = body[body.index("</defs>") + len("</defs>") : body.rindex("</svg>")]
    # only inside tags: a name that looks like a colour or an id stays as it is
    body = _TAG.sub(lambda match: _tag(match[0], name), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    return (
        f'<svg role="img" aria-labelledby="{name}-title {name}-description" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n'
        f'<desc id="{name}-description">{escape(description)}</desc>\n{body}</svg>'
    )


def _tag(tag: str, name: str) -> str:
    """Return an SVG tag with short numbers, ids of this page, the page's font and its colours."""
    if tag.startswith("<g id="):  # nothing refers to groups
        return "" if tag.endswith("/>") else "<g>"
    tag = re.sub(r" id=\"([^\"]+)\"", rf' id="{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", tag)
    tag = re.sub(r"xlink:href=\"#([^\"]+)\"", rf'href="#{name}-\1"', tag)
    # matplotlib has no font of weight 600 to measure; the page has
    tag = _FONT_FAMILY.sub("", tag)
    tag = _FONT_STYLE.sub(r"\1\2\3 var(--font)", tag).replace("font: 700 ", "font: 600 ")
    tag = _LONG_NUMBER.sub(r"\1", tag)
    return _SENTINEL.sub(lambda match: f"var(--{_VARIABLES[match[0]]})", tag)


def clean(text: str) -> str:
    """Return `text` without the characters that XML and HTML forbid."""
    return _CONTROL.sub("\ufffd", text)


def fit(text: str, width: float, size: float = FONT) -> str:
    """Return `text` on one line, cut with an ellipsis where it would be wider than `width` pixels."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def text_width(text: str, size: float = FONT) -> float:
    """Return about how many pixels `text` takes, rather more than less."""
    return sum(_advance(letter) for letter in text) * size


def _advance(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.05
    if letter in " .,:;'|!ijl[]()":
        return 0.34
    return 0.72 if letter.isupper() or letter in "mw%@_" else 0.58


def spread(positions: list[float], gap: float) -> list[float]:
    """Return the positions moved apart as little as needed to lie `gap` from one another."""
    order = sorted(range(len(positions)), key=lambda place: positions[place])
    # each block of labels that touch keeps its mean
    blocks: list[tuple[float, int]] = []
    for place in order:
        centre, size = positions[place], 1
        while blocks and centre - blocks[-1][0] < gap * (size + blocks[-1][1]) / 2:
            last, length = blocks.pop()
            centre = (centre * size + last * length) / (size + length)
            size += length
        blocks.append((centre, size))
    moved = [centre + (rank - (size - 1) / 2) * gap for centre, size in blocks for rank in range(size)]
    result = [0.0] * len(positions)
    for place, position in zip(order, moved, strict=True):
        result[place] = position
    return result
