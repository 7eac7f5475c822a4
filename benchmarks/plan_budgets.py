"""Planning a million users under 20 budgets, beside the same plan without any: CPU seconds and peak memory.

Run: python benchmarks/plan_budgets.py [--users 1000000] [--folder FOLDER] [--budgets 20]

The ledger is that of `plan.py`, and a folder that has it is used again. Each plan runs in its own process,
on links to the ledger's files, so that both write everything. The budgets take a fifth to a third of what
the plan without them sends: channels, categories, money, opt-outs, one slot; and ask for more of others.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from plan import EPOCH, make

from homing.schema.reference import as_toml
from homing.store import Workspace


def budgets(facts: dict[str, Any], wanted: int) -> list[dict[str, Any]]:
    """Return budgets that bind, from what a plan without them came to."""
    schedule = facts["schedule"]
    found: list[dict[str, Any]] = [
        {"name": f"channel-{row['name']}", "channel": row["name"], "max": round(0.7 * row["count"])}
        for row in schedule["channels"]
        if row["count"]
    ]
    reach = next(row for row in schedule["expected"] if row["objective"] == "reachability")
    added = (reach["planned"] - reach["hold"]) * schedule["users"]
    push = sum(row["count"] for row in schedule["channels"] if row["name"] == "push")
    found += [
        {"name": "opt-outs", "counts": "objective:reachability", "max": round(abs(added), 1)},
        {"name": "money", "counts": "cost", "max": round(0.01 * 0.65 * push, 1)},
        {"name": "evening", "slot": "18:00", "max": round(0.25 * schedule["sends"])},
    ]
    found += [
        {"name": f"more-{row['message']}", "message": row["message"], "min": round(1.2 * row["sends"])}
        for row in schedule["messages"][:4]
    ]
    found += [
        {
            "name": f"category-{row['name'].replace('/', '-')}",
            "category": row["name"],
            "max": round(0.8 * row["count"]),
        }
        for row in schedule["categories"]
    ]
    found += [
        {"name": f"less-{row['message']}", "message": row["message"], "max": round(0.6 * row["sends"])}
        for row in schedule["messages"][4:]
    ]
    return found[:wanted]


def timed(folder: Path) -> None:
    """Plan, and print the facts as JSON."""
    from homing.lifecycle.plan import plan

    start, cpu = time.perf_counter(), time.process_time()
    planned = plan(Workspace.open(folder), EPOCH)
    facts = {
        "wall": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "stages": planned.timings.seconds,
        "peak": planned.timings.peak_bytes,
        "facts": planned.record.facts.to_dict(),
    }
    print(json.dumps(facts))


def planned(folder: Path) -> dict[str, Any]:
    """Plan in a process of its own."""
    command = [sys.executable, __file__, "--timed", "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in found["stages"].items())
    print(f"{found['wall']:.1f} s, {found['cpu']:.1f} CPU-s, peak {found['peak'] / 2**30:.2f} GiB ({stages})")
    return found


def linked(workspace: Path, target: Path) -> Path:
    """Return a copy whose ledger files are links; they are never changed once they are written."""
    shutil.rmtree(target, ignore_errors=True)
    skip = shutil.ignore_patterns("log", "runs")
    shutil.copytree(workspace, target, copy_function=os.link, ignore=skip)
    (target / "runs").mkdir()
    settings = target / "homing.toml"
    text = settings.read_text()
    settings.unlink()  # it is written anew, not through the link
    settings.write_text(text)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--budgets", type=int, default=20)
    parser.add_argument("--timed", action="store_true", help="only plan, in this process")
    given = parser.parse_args()
    if given.timed:
        timed(given.folder)
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="homing-plan-")) / "workspace"
    if not (folder / "releases" / "current").exists():
        make(folder, given.users)
    free = planned(linked(folder, folder.with_name("free")))
    within = linked(folder, folder.with_name("within"))
    chosen = budgets(free["facts"], given.budgets)
    tables = [
        "\n[costs]\nchannels = { push = 0.01 }\n",
        *("[[budgets]]\n" + "\n".join(f"{key} = {as_toml(v)}" for key, v in one.items()) for one in chosen),
    ]
    with (within / "homing.toml").open("a") as settings:
        settings.write("\n" + "\n\n".join(tables) + "\n")
    held = planned(within)
    found = held["facts"]["budgets"]
    print(f"{len(chosen)} budgets; {found['passes']} passes, {found['draws']} draw(s)")
    for use in found["uses"]:
        bounds = f"{use['least'] or 0:,.6g} .. {use['most'] or float('inf'):,.6g}"
        drawn = f"expected {use['expected']:,.2f}, drawn {use['drawn']:,.2f}"
        print(f"  {use['budget']}: {bounds}, wanted {use['wanted']:,.6g}, {drawn}, price {use['price']:.3g}")
    print(f"CPU {held['cpu'] / free['cpu']:.3f} times, peak {held['peak'] / free['peak']:.3f} times")


if __name__ == "__main__":
    main()
