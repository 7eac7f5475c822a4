"""How much log long-term values need to beat the policy that wrote it: users and weeks, in several worlds.

    python benchmarks/long_term_curve.py --out curve --worlds news,learning,family:2,family:5
    python benchmarks/long_term_curve.py --out curve --read --plot docs/images/learning-curve.png

Each cell is a log of its own, trained on and judged as in `long_term.py`, whose files and rules for going on
it shares. Intervals are of the lives, not of the logs: another log of the same size gives another policy.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from long_term import run, worlds_of
from long_term_school import Sizes
from long_term_tables import LOG, OURS, Z95, Result, number, results_of

USERS, WEEKS = (1_500, 3_000, 6_000, 12_000), (4, 6, 8)
COLOURS = ("#9ecae1", "#3182bd", "#08306b")  # light to dark, as weeks grow


def cells(out: Path) -> dict[tuple[str, int, int], Result]:
    """Return what was found, by world, users and weeks."""
    found = {(r.world, r.log_users, r.weeks): r for r in results_of(out)}
    return {key: r for key, r in found.items() if OURS in r.lives}


def mean_gain(found: list[Result]) -> tuple[float, float]:
    """Return the mean gain over these worlds and its standard error, worlds being given."""
    gains = np.array([r.gain(OURS) for r in found])
    return float(gains[:, 0].mean()), float(np.sqrt((gains[:, 1] ** 2).sum()) / len(found))


def show(out: Path) -> None:
    """Print gains by world and log, and the mean over worlds that have every cell of a row."""
    found = cells(out)
    worlds = list(dict.fromkeys(world for world, _, _ in found))
    print("gain of utility a person over the logging policy +- one standard error; * beats it")
    print("| users | weeks | " + " | ".join(worlds) + " | mean |")
    print("|---" * (len(worlds) + 3) + "|")
    for users, weeks in itertools.product(USERS, WEEKS):
        row = [found.get((world, users, weeks)) for world in worlds]
        known = [r for r in row if r is not None]
        if not known:
            continue
        texts = ["-" if r is None else marked(*r.gain(OURS)) for r in row]
        whole = number(*mean_gain(known)) if len(known) == len(worlds) else "-"
        print(f"| {users:,} | {weeks} | " + " | ".join(texts) + f" | {whole} |")
    print(f"\nCPU-s: {sum(sum(r.cpu_s.values()) for r in found.values()):,.0f}")


def marked(mean: float, error: float) -> str:
    """Return a gain, with a star where its interval is above zero."""
    return number(mean, error) + (" *" if mean > Z95 * error else "")


def plot(out: Path, path: Path) -> None:
    """Draw the mean gain over worlds against users, a line for each length of the log."""
    from matplotlib.figure import Figure

    found = cells(out)
    worlds = {world for world, _, _ in found}
    drawn = Figure(figsize=(7.2, 3.6), dpi=150, layout="constrained")
    area = drawn.add_subplot()
    for weeks, colour in zip(WEEKS, COLOURS, strict=True):
        points = [
            (users, *mean_gain([found[world, users, weeks] for world in worlds]))
            for users in USERS
            if all((world, users, weeks) in found for world in worlds)
        ]
        if not points:
            continue
        users, mean, error = np.array(points).T
        area.fill_between(users, mean - Z95 * error, mean + Z95 * error, color=colour, alpha=0.2, linewidth=0)
        area.plot(users, mean, color=colour, marker="o", label=f"{weeks} weeks of log")
    area.axhline(0, color="#555555", linewidth=1, linestyle=(0, (4, 3)))
    area.set_xscale("log", base=2)
    area.set_xticks(USERS, [f"{users:,}" for users in USERS])
    area.set_xlabel("users in the log")
    area.set_ylabel("gain over the log's policy,\nutility a person and 42 days")
    area.spines[["top", "right"]].set_visible(False)
    area.legend(frameon=False)
    drawn.savefig(path, metadata={"Software": None})


def main() -> None:
    """Run cells, show and draw them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", default="news,learning,family:2,family:5")
    parser.add_argument("--people", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--read", action="store_true", help="show what is there")
    parser.add_argument("--plot", type=Path, help="a PNG to draw")
    asked = parser.parse_args()
    if not asked.read:
        logs = itertools.product(USERS, WEEKS, worlds_of(asked.worlds))  # small ones first
        sizes = [
            (world, Sizes(log_users=users, weeks=weeks, people=asked.people, seed=asked.seed))
            for users, weeks, world in logs
        ]
        run(sizes, asked.out, (LOG, OURS), workers=asked.workers)
    show(asked.out)
    if asked.plot:
        plot(asked.out, asked.plot)


if __name__ == "__main__":
    main()
