"""Three published experiments beside ours, as a forest.

python benchmarks/published_experiments.py DATA FIGURE

DATA has the files of docs/guides/published-experiments.md, which explains how each is analysed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from homing.experiments import Difference, difference, from_table, mean, proportion, ratio

BLUE, GREY = "#1f6fb2", "#7f8c8d"


@dataclass(frozen=True)
class Row:
    """One effect: what was published, with its standard error where there was one, and ours."""

    label: str
    published: float
    error: float
    ours: Difference


def social_pressure(data: Path) -> list[Row]:
    """Points of turnout, households as units; Gerber, Green & Larimer (2008), table 2."""
    votes = pl.read_csv(data / "social_pressure_gotv" / "social.csv.gz")
    size, starts = votes["hhsize"].to_numpy(), [0]
    while starts[-1] < len(votes):
        starts.append(starts[-1] + int(size[starts[-1]]))
    votes = votes.with_columns(household=np.repeat(np.arange(len(starts) - 1), np.diff(starts)))
    homes = from_table(votes, ["primary2006"], arm="messages", unit="household")
    turnout = ratio("primary2006", "rows")
    published = {"Civic Duty": 0.018, "Hawthorne": 0.026, "Neighbors": 0.081}
    return [
        Row(letter, effect, 0.003, difference(homes, turnout, letter, "Control"))
        for letter, effect in published.items()
    ]


def matching_gifts(data: Path) -> list[Row]:
    """Relative changes by a promised match; Karlan & List (2007), abstract and table 2."""
    file = data / "charitable_giving" / "charitable.csv.gz"
    letters = pl.read_csv(file, null_values="NA", infer_schema_length=None).drop_nulls("out_amountgive")
    moments = from_table(letters, ["out_gavedum", "out_amountgive"], arm="treatment")
    chosen = ((proportion("out_gavedum"), "givers", 0.22), (mean("out_amountgive"), "dollars", 0.19))
    return [
        Row(label, published, 0.0, difference(moments, metric, "1", "0", scale="log"))
        for metric, label, published in chosen
    ]


def e_mails(data: Path) -> list[Row]:
    """Relative changes of the published levels; Hillstrom (2008)."""
    mails = pl.read_csv(data / "hillstrom" / "hillstrom.csv", infer_schema_length=None)
    moments = from_table(mails, ["visit", "conversion", "spend"], arm="segment")
    levels = {
        ("visit", "visits"): (18.28, 15.14, 10.62),
        ("conversion", "purchases"): (1.25, 0.88, 0.57),
        ("spend", "spend"): (1.42, 1.08, 0.65),
    }
    mailed = (("Mens E-Mail", "men's"), ("Womens E-Mail", "women's"))
    return [
        Row(
            f"{label}, {whose}",
            level[place] / level[2] - 1,
            0.0,
            difference(moments, mean(name), mail, "No E-Mail", scale="log"),
        )
        for (name, label), level in levels.items()
        for place, (mail, whose) in enumerate(mailed)
    ]


def draw(panels: dict[str, list[Row]], figure: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [len(rows) for rows in panels.values()]
    drawing, axes = plt.subplots(
        3, 1, figsize=(7, 2.4 + 0.32 * sum(sizes)), dpi=110, layout="constrained", height_ratios=sizes
    )
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        place = np.arange(len(rows))[::-1]
        value, low, high = (
            100 * np.array([float(getattr(row.ours, name)) for row in rows])
            for name in ("value", "low", "high")
        )
        ends = [value - low, high - value]
        axis.axvline(0, color="black", lw=0.6)
        axis.errorbar(value, place - 0.15, xerr=ends, fmt="o", ms=4, capsize=2, color=BLUE)
        told = 100 * np.array([row.published for row in rows])
        error = 196 * np.array([row.error for row in rows])
        axis.errorbar(told, place + 0.15, xerr=error, fmt="D", ms=4, capsize=2, color=GREY)
        axis.set_yticks(place, [row.label for row in rows])
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlabel(title)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].plot([], [], "D", ms=4, color=GREY, label="published")
    axes[0].plot([], [], "o", ms=4, color=BLUE, label="here, 95 %")
    axes[0].legend(frameon=False, fontsize=9, loc="upper right")
    drawing.savefig(figure)


if __name__ == "__main__":
    data, figure = map(Path, sys.argv[1:])
    draw(
        {
            "points of turnout more, social pressure": social_pressure(data),
            "per cent more, matching gifts": matching_gifts(data),
            "per cent more, e-mails": e_mails(data),
        },
        figure,
    )
