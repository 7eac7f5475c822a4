"""Is this workspace's ledger sound, and does it hold what training needs?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from homing.schema import WorkspaceError
from homing.store.columns import scan
from homing.store.ledger import Ledger, leftovers

#: What is lost without rows of a table.
_NEEDED = {
    "users": ("error", "nothing can be planned", "ingest users"),
    "messages": ("error", "there is nothing to send", "ingest messages"),
    "consents": ("warning", "no channel reaches anybody, so every decision is to hold", "ingest consents"),
    "opportunities": ("warning", "planning has no candidates but hold", "ingest opportunities"),
    "decisions": (
        "warning",
        "nothing can be trained or evaluated",
        "ingest decisions with their propensities, or import a log ('homing import')",
    ),
    "events": ("warning", "outcomes of decisions are not known", "ingest events"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    level: Literal["ok", "warning", "error"]
    subject: str
    text: str
    next_step: str  # empty when all is well


def check_ledger(ledger: Ledger) -> list[Finding]:
    """Check that the ledger is whole, and say what it lacks. Changes nothing."""
    try:
        commits = ledger.commits()
        partitions = ledger.partitions
    except WorkspaceError as error:
        return [Finding("error", "commits", str(error), "restore the ledger from a backup")]
    found = [
        Finding("ok", "commits", f"{len(commits)} commits, {partitions} partitions", ""),
        *_files(ledger),
        *_leftovers(ledger),
        *_coverage(ledger),
    ]
    if not any(finding.level == "error" for finding in found):
        found += _dangling(ledger)
    return found


def _files(ledger: Ledger) -> Iterator[Finding]:
    files = [file for commit in ledger.commits() for file in commit.files]
    broken = 0
    for file in files:
        path = ledger.path / file.path
        problem = None
        try:
            rows = pq.read_metadata(path).num_rows
            if rows != file.rows:
                problem = f"has {rows} rows, but its commit says {file.rows}"
        except FileNotFoundError:
            problem = "is committed, but it is not there"
        except (pa.ArrowException, OSError) as error:
            problem = f"cannot be read ({error})"
        if problem is not None:
            broken += 1
            yield Finding("error", file.path, f"{path} {problem}", "restore the file from a backup")
    if not broken:
        size = sum(file.bytes for file in files)
        text = f"{len(files)} files, {sum(file.rows for file in files):,} rows, {size / 1e6:,.1f} MB"
        yield Finding("ok", "files", text, "")


def _leftovers(ledger: Ledger) -> Iterator[Finding]:
    stray = leftovers(ledger)
    if stray:
        yield Finding(
            "warning",
            "leftovers",
            f"{len(stray)} files that no commit names, such as {stray[0]}; no reader sees them",
            "nothing, if a writer is at work; else the next ingest or plan removes them",
        )


def _coverage(ledger: Ledger) -> Iterator[Finding]:
    counts = ledger.counts()
    for table, (level, loss, step) in _NEEDED.items():
        if counts[table]:
            yield Finding("ok", table, f"{counts[table]:,} rows", "")
        else:
            yield Finding("error" if level == "error" else "warning", table, f"no rows: {loss}", step)


def _dangling(ledger: Ledger) -> Iterator[Finding]:
    """Events that name a decision which the ledger does not have: their outcome counts for nobody."""
    text = pl.String()
    named = unknown = 0
    for partition in range(ledger.partitions):
        events = scan(ledger.files("events", partition), {"decision_id": text}).drop_nulls()
        decisions = scan(ledger.files("decisions", partition), {"decision_id": text})
        named += events.select(pl.len()).collect().item()
        unknown += events.join(decisions, on="decision_id", how="anti").select(pl.len()).collect().item()
    if unknown:
        yield Finding(
            "warning",
            "events",
            f"{unknown:,} of {named:,} events that name a decision name one that the ledger does not have "
            "for their user; they count as organic",
            "ingest the decisions that they name, or correct the decision_id of the events",
        )
    elif named:
        yield Finding("ok", "events", f"{named:,} events name a decision, and the ledger has them all", "")
