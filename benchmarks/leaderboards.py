"""Compares the baseline policies in every preset, and writes docs/leaderboards.md.

Run: python benchmarks/leaderboards.py [--users 3000] [--days 56] [--page docs/leaderboards.md]

Each table is what `homing compare` says with the settings that the page names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import homing
from homing.lifecycle.worlds.compare import Schooling
from homing.report.facts import Estimate
from homing.report.leaderboard import Leaderboard, Standing
from homing.schema import Config
from homing.simulator import Setup
from homing.simulator.registry import PRESETS

BASELINE = "greedy"
POLICIES = (
    "hold",
    "random",
    "rules",
    "greedy-penalty",
    "recovering",
    "volume",
    "survival",
    "learned",
)
#: Measure, digits of its mean.
SHOWN = {
    "minutes": 0,
    "conversions": 3,
    "sends": 1,
    "clicks": 2,
    "opt-outs": 3,
    "reach push": 3,
    "reach email": 3,
    "reach in_app": 3,
}
_HEAD = """\
# Leaderboards

The baseline policies and what `homing train` releases, in every preset, compared with click-greedy. Made by
`python benchmarks/leaderboards.py`; one world by itself, with a page of plots:

<!-- not run: minutes -->
```bash
homing compare --world {world} --policies {policies} \\
    --baseline {baseline} --users {users} --days {days} --train-users {users} --train-days 42
```

{users:,} people live through {days} days with each policy, under the same luck. Policies that learn were
trained on six weeks of other people in the same world, messaged by `random`. All have the same hard rules,
those of the default configuration. Differences are of active days, in % of click-greedy's, with 95 %
intervals over people; the other columns are means a person.

{summary}

A number says what a policy does in that world, not what it would do to your users: see
[what is assumed](simulator.md) and [what the worlds are calibrated to](calibration.md).
"""


def number(estimate: Estimate) -> str:
    return f"{100 * estimate.value:+.2f} ({100 * estimate.low:+.2f}, {100 * estimate.high:+.2f})"


def row(standing: Standing) -> str:
    active = standing.score("active days")
    apart = "" if active.relative is None else number(active.relative)
    means = [f"{standing.score(name).mean.value:.{digits}f}" for name, digits in SHOWN.items()]
    return f"| {standing.policy} | {active.mean.value:.2f} | {apart} | {' | '.join(means)} |"


def table(found: Leaderboard) -> str:
    titles = ("policy", "active days", "against greedy, %", *SHOWN)
    order = sorted(found.standings, key=lambda one: -one.score("active days").mean.value)
    lines = [f"## {found.world}", "", f"| {' | '.join(titles)} |", "|---|" + "---:|" * (len(titles) - 1)]
    return "\n".join([*lines, *map(row, order)])


def better(found: Leaderboard) -> list[str]:
    """Return the policies that send less than greedy and whose people surely come on more days."""
    most = found.standing(BASELINE).score("sends").mean.value
    return [
        one.policy
        for one in found.standings
        if (apart := one.score("active days").relative) is not None
        and apart.low > 0
        and one.score("sends").mean.value < most
    ]


def summary(boards: list[Leaderboard]) -> str:
    lines = []
    for found in boards:
        names = better(found)
        said = f"loses to {', '.join(names)}" if names else "does not lose to a policy that sends less"
        lines.append(f"- **{found.world}**: click-greedy {said}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=3_000)
    parser.add_argument("--days", type=int, default=56)
    parser.add_argument("--page", type=Path, default=Path("docs/leaderboards.md"))
    given = parser.parse_args()
    boards = []
    for world in PRESETS:
        found = homing.compare(
            world,
            Setup(given.users, given.days),
            POLICIES,
            Config(),
            baseline=BASELINE,
            schooling=Schooling(given.users, 42),
        )
        boards.append(found)
        print(table(found), flush=True)
    head = _HEAD.format(
        world=next(iter(PRESETS)),
        policies=",".join(POLICIES),
        baseline=BASELINE,
        users=given.users,
        days=given.days,
        summary=summary(boards),
    )
    given.page.write_text("\n\n".join([head.rstrip(), *map(table, boards)]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
