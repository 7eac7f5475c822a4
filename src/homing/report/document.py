"""Facts to one HTML document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from homing.report.canvas import clean
from homing.report.experiment import Readout
from homing.report.facts import Alert, Facts, Header
from homing.report.holdout import HoldoutFacts
from homing.report.leaderboard import Leaderboard
from homing.report.numbers import MINUS, THIN, compact, moment, span
from homing.report.sections.budgets import budgets_section
from homing.report.sections.data import funnel_section, health_section
from homing.report.sections.experiment import experiment_sections, experiment_tiles
from homing.report.sections.holdout import holdout_sections, holdout_tiles
from homing.report.sections.journeys import journeys_section
from homing.report.sections.leaderboard import leaderboard_sections, leaderboard_tiles
from homing.report.sections.quality import quality_section
from homing.report.sections.run import reading_section, stages_section
from homing.report.sections.schedule import schedule_section
from homing.report.sections.selection import selection_section
from homing.report.sections.trial import trial_section
from homing.report.sections.values import truth_section, uplift_section, values_section
from homing.report.sections.weights import weights_section
from homing.report.view import Picture, Section, Table, Text, Tile, Tiles

_TEMPLATES: Final = Path(__file__).parent / "templates"
_BRACKET: Final = re.compile(r"(?<=\d) ?%? \[[^\[\]]*\]|\[[^\[\]]*\]")


def document(facts: Facts) -> str:
    """Return the whole page of a report. Equal facts give equal text."""
    return _page(facts.header, facts.alerts, _tiles(facts), _sections(facts))


def leaderboard_document(facts: Leaderboard) -> str:
    """Return the whole page of a comparison. Equal facts give equal text."""
    return _page(facts.header, (), leaderboard_tiles(facts), leaderboard_sections(facts))


def experiment_document(facts: Readout) -> str:
    """Return the whole page of an experiment. Equal facts give equal text."""
    return _page(facts.header, facts.alerts, experiment_tiles(facts), experiment_sections(facts))


def holdout_document(facts: HoldoutFacts) -> str:
    """Return the whole page of a global holdout. Equal facts give equal text."""
    return _page(facts.header, facts.alerts, holdout_tiles(facts), holdout_sections(facts))


def _page(header: Header, alerts: Sequence[Alert], tiles: Sequence[Tile], sections: Sequence[Section]) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.tests |= {
        "table": lambda block: isinstance(block, Table),
        "picture": lambda block: isinstance(block, Picture),
        "tiles": lambda block: isinstance(block, Tiles),
        "text": lambda block: isinstance(block, Text),
    }
    environment.filters |= {"prose": _prose, "moment": moment}
    page = environment.get_template("page.html").render(
        header=header,
        alerts=sorted(alerts, key=lambda alert: ("critical", "warning", "note").index(alert.level)),
        tiles=tiles,
        sections=sections,
        style=_asset("style.css"),
        script=_asset("theme.js"),
    )
    return clean(page)


def _prose(text: str) -> Markup:
    """Return a sentence with `code` set as code, real minus signs, and intervals that stay on one line."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a single backtick is only a character
        return escape(_typeset(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(_typeset(part))
        for place, part in enumerate(parts)
    )


def _typeset(text: str) -> str:
    text = _BRACKET.sub(lambda match: match[0].replace(" ", "\u00a0"), text)
    text = re.sub(r"(?<=\d) ?(?=%|pp\b)", THIN, text)
    return re.sub(r"(?<![\w.-])-(?=\d)", MINUS, text)


def _asset(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text("utf-8"))


def _tiles(facts: Facts) -> tuple[Tile, ...]:
    header = facts.header
    tiles = [
        Tile("Users", compact(header.users)),
        Tile("Decisions", compact(header.decisions), "in the ledger, planned ones too"),
    ]
    if header.log_from and header.log_until:
        tiles.append(Tile("Log", span(header.log_from, header.log_until)))
    if header.release:
        tiles.append(Tile("Release", header.release))
    return tuple(tiles)


def _sections(facts: Facts) -> tuple[Section, ...]:
    """Return the sections in the order of a reader's questions: worth, plan, trade-offs, then the reasons."""
    sections = [
        values_section(facts.values)
        if facts.values is not None
        else Section("values", "Policies", command="homing evaluate"),
        uplift_section(facts.uplift) if facts.uplift else None,
        truth_section(facts.truth) if facts.truth else None,
        trial_section(facts.trial) if facts.trial else None,
        schedule_section(facts.schedule)
        if facts.schedule is not None
        else Section("plan", "Who gets what, and when", command="homing plan --at TIME"),
        budgets_section(facts.budgets, facts.curves) if facts.budgets or facts.curves else None,
        funnel_section(facts.funnel)
        if facts.funnel is not None
        else Section("funnel", "Funnel", command="homing plan --at TIME"),
        weights_section(facts.tradeoffs, facts.values) if facts.tradeoffs else None,
        journeys_section(facts.journeys) if facts.journeys else None,
        selection_section(facts.selection) if facts.selection else None,
        quality_section(facts.quality)
        if facts.quality is not None
        else Section("model", "Model", command="homing train"),
        health_section(facts.health)
        if facts.health is not None
        else Section("data", "Data", command="homing ingest FILES"),
        stages_section(facts.stages) if facts.stages else Section("run", "The run", command="homing run"),
        reading_section(facts),
    ]
    return tuple(section for section in sections if section is not None)
