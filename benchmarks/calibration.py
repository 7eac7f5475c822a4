"""Measures every preset and twelve worlds of the family, and writes docs/calibration.md.

Run: python benchmarks/calibration.py [--users 10000] [--days 28] [--page docs/calibration.md]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from homing.simulator import Setup
from homing.simulator.calibration import CUT, Estimate, moments, volume_cut
from homing.simulator.figures import ALL, FIGURES, Figure
from homing.simulator.registry import PRESETS, world_spec

FAMILY = range(12)
_HEAD = """\
# Calibration

What the worlds do when they are messaged by chance, beside what has been published. Made by
`python benchmarks/calibration.py`.

**How it is measured.** {users:,} users, {days} days, seed 0. Each day, each user who can be reached and for
whom there is an opportunity is, with a third each, sent a random one through a random channel in a random
hour between 8 and 21 local time, or only watched from such an instant on, or left alone. All moments are
read from the log. In brackets: 95 % intervals, bootstrap over users. The change by volume compares two
populations with common random numbers: one message a user and day, and the same with {cut:.0%} left out by
chance.

**In range** means that the interval reaches the range. *Not targeted*: the preset does not try to keep to it,
and its number only says what it gives. *Assumed*: no figure was looked for or found; the number is a choice.
All weights inside the formulas of [the worlds](simulator.md) are assumed unless a source stands beside them.
"""
_SCALE = {"%": 100.0, "pp": 100.0, "min": 1.0, "x": 1.0, "": 1.0}


def number(figure: Figure, value: float) -> str:
    scaled = value * _SCALE[figure.unit]
    digits = 2 if abs(scaled) < 10 or figure.unit in {"x", ""} else 1
    return f"{scaled:.{digits}f}"


def cell(figure: Figure, estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return number(figure, estimate.value)
    ends = ", ".join(number(figure, end) for end in (estimate.low, estimate.high))
    return f"{number(figure, estimate.value)} ({ends})"


def row(figure: Figure, found: dict[str, dict[str, Estimate]]) -> str:
    estimates = {name: found[name][figure.moment] for name in ALL}
    kept = [name for name in figure.presets if figure.kept(estimates[name])]
    if figure.published == "assumed":
        verdict = "assumed"
    elif kept == list(figure.presets):
        verdict = "all" if len(kept) == len(ALL) else f"{', '.join(kept)}; not targeted: the others"
    else:
        verdict = f"**not**: {', '.join(sorted(set(figure.presets) - set(kept)))}"
    unit = {"%": ", %", "pp": ", %", "min": ", minutes", "x": ", times", "": ""}[figure.unit]
    cells = " | ".join(cell(figure, estimates[name]) for name in ALL)
    return f"| {figure.what}{unit} | {figure.published} | {cells} | {verdict} |"


def family_row(figure: Figure, found: list[dict[str, Estimate]]) -> str:
    values = sorted(number(figure, each[figure.moment].value) for each in found)
    values.sort(key=float)
    return f"| {figure.what} | {figure.published} | {values[0]} | {values[-1]} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--page", type=Path, default=Path("docs/calibration.md"))
    given = parser.parse_args()
    setup = Setup(given.users, given.days)
    found = {
        name: moments(spec, setup) | {"volume_cut": volume_cut(spec, setup)} for name, spec in PRESETS.items()
    }
    lines = [
        _HEAD.format(users=given.users, days=given.days, cut=CUT),
        "## Presets",
        "",
        f"| moment | published | {' | '.join(ALL)} | in range |",
        f"|{'---|' * (len(ALL) + 3)}",
        *(row(figure, found) for figure in FIGURES),
        "",
        f"## The family, seeds {FAMILY[0]} to {FAMILY[-1]}",
        "",
        "The smallest and the largest number; generic and contextual are not told apart.",
        "",
        "| moment | published | smallest | largest |",
        "|---|---|---|---|",
    ]
    family = [moments(world_spec(f"family:{seed}"), setup) for seed in FAMILY]
    shown = [figure for figure in FIGURES if figure.published != "assumed" and figure.moment in family[0]]
    lines += [family_row(figure, family) for figure in shown if not figure.moment.startswith("repetition")]
    given.page.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
