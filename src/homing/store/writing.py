"""From the arrays of a planning run to rows of the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from homing.schema import Exclusions, Reason, Vocabulary
from homing.schema.drawn import Deciders, Drawn, InArms
from homing.schema.errors import PlannedError
from homing.schema.times import format_time
from homing.store.columns import contract_types, from_words, scan, timestamps
from homing.store.contract_files import write_parquet
from homing.store.ledger_writer import LedgerWriter
from homing.store.shards import LoadedShard
from homing.store.workspace import Workspace

#: What makes two plans of one user and epoch the same plan. The run and the time of computing do not.
_CHOICE = (
    "release_id",
    "opportunity_id",
    "message_id",
    "channel",
    "slot_start",
    "slot_end",
    "candidate_set",
    "arms",
)
#: Relative difference of propensities that the number of threads can cause in float32 scores.
_PROPENSITY_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Run:
    """Who drew the decisions, and when."""

    run_id: str
    release_id: str
    decided_at: int  # us
    objectives: tuple[str, ...]  # names of the columns of `Drawn.values`


def decision_rows(
    loaded: LoadedShard, drawn: Drawn, run: Run, deciders: Deciders | None = None
) -> pl.DataFrame:
    """Return drawn decisions as rows of the contract's `decisions`, in the order of `drawn`.

    Args:
        loaded: the shard that they are of.
        drawn: the decisions.
        run: that drew them.
        deciders: release and arms of each row; None: the run's release, and no experiment.
    """
    if drawn.values.shape[1] != len(run.objectives):
        raise ValueError(f"values of {drawn.values.shape[1]} objectives, but names of {len(run.objectives)}")
    vocabularies, ids = loaded.shard.vocabularies, loaded.ids
    reasons = Vocabulary(tuple(reason.name for reason in Reason))
    values = {
        f"value_{name}": drawn.values[:, place].astype(np.float32)
        for place, name in enumerate(run.objectives)
    }
    return pl.DataFrame(
        {
            "decision_id": from_words(drawn.id).bin.encode("hex"),
            "run_id": pl.repeat(run.run_id, len(drawn), eager=True),
            "release_id": pl.repeat(run.release_id, len(drawn), eager=True)
            if deciders is None
            else _names(deciders.release, Vocabulary(deciders.releases)),
            "epoch_at": timestamps(drawn.rows.at),
            "decided_at": timestamps(np.full(len(drawn), run.decided_at)),
            "user_id": _names(drawn.rows.user, ids.users),
            "opportunity_id": _names(drawn.opportunity, ids.opportunities),
            "message_id": _names(drawn.message, vocabularies.messages),
            "channel": _names(drawn.channel, vocabularies.channels),
            "slot_start": timestamps(drawn.slot_start),
            "slot_end": timestamps(drawn.slot_end),
            "action": _names((drawn.message < 0).astype(np.int8), Vocabulary(("send", "hold"))),
            "propensity": drawn.propensity,
            "candidates": drawn.candidates.astype(np.int64),
            "candidate_set": from_words(drawn.candidate_set),
            **values,
            "arms": _listed(deciders, len(drawn), lambda each: (each.arm, _labels(each))),
            "triggered": _listed(
                deciders,
                len(drawn),
                lambda each: (each.triggered.astype(np.int16) - 1, (each.experiment,)),
            ),
            "reason": _names(drawn.reason, reasons),
        }
    )


def exclusion_rows(loaded: LoadedShard, exclusions: Exclusions, epoch_at: int, run: Run) -> pl.DataFrame:
    """Return the sampled exclusions of one epoch (us) as rows of the contract's `exclusions`."""
    rows = len(exclusions.user)
    return pl.DataFrame(
        {
            "run_id": pl.repeat(run.run_id, rows, dtype=pl.String, eager=True),
            "epoch_at": timestamps(np.full(rows, epoch_at)),
            "user_id": _names(exclusions.user, loaded.ids.users),
            "opportunity_id": _names(exclusions.opportunity, loaded.ids.opportunities),
            "channel": _names(exclusions.channel, loaded.shard.vocabularies.channels),
            "slot_start": timestamps(exclusions.slot_start),
            "rule": _names(exclusions.rule, Vocabulary(exclusions.rules)),
        }
    )


def append_decisions(workspace: Workspace, writer: LedgerWriter, partition: int, rows: pl.DataFrame) -> int:
    """Add the rows of `decision_rows` that the ledger does not have yet; return how many those are.

    Planning an epoch again with the same release adds nothing, since decision ids derive from the salt,
    the user and the epoch.

    Raises:
        PlannedError: the ledger has one of these decisions with another choice or propensity.
    """
    if not len(rows):
        return 0
    columns = contract_types("decisions", ("decision_id", "epoch_at", "propensity", *_CHOICE))
    planned = pl.col("epoch_at").is_between(rows["epoch_at"].min(), rows["epoch_at"].max())
    known = scan(workspace.ledger.files("decisions", partition), columns, planned).collect()
    both = rows.join(known, on="decision_id", how="inner", suffix="_known")
    both = both.with_columns(pl.col("arms", "arms_known").list.join("\n").fill_null(""))
    differs = [~pl.col(name).eq_missing(pl.col(f"{name}_known")) for name in _CHOICE]
    drift = (pl.col("propensity") / pl.col("propensity_known") - 1).abs() > _PROPENSITY_TOLERANCE
    other = both.filter(pl.any_horizontal(*differs, drift)).sort("decision_id")
    if len(other):
        first = other.row(0, named=True)
        epoch = format_time(int(other["epoch_at"].to_physical()[0]))
        raise PlannedError(
            f"epoch {epoch} is planned already, by release {first['release_id_known']!r}; release "
            f"{first['release_id']!r} decides otherwise for {len(other)} users of partition {partition} "
            f"(decision {first['decision_id']}); decisions are final, so plan a later epoch"
        )
    fresh = rows.join(known, on="decision_id", how="anti", maintain_order="left")
    if len(fresh):
        writer.add_partition("decisions", partition, fresh)
    return len(fresh)


def append_exclusions(workspace: Workspace, writer: LedgerWriter, partition: int, rows: pl.DataFrame) -> int:
    """Add the rows of `exclusion_rows`, unless the run has some there already; return how many were added."""
    if not len(rows):
        return 0
    is_run = pl.col("run_id") == rows["run_id"][0]
    files = workspace.ledger.files("exclusions", partition)
    if len(scan(files, contract_types("exclusions", ("run_id",)), is_run).head(1).collect()):
        return 0
    writer.add_partition("exclusions", partition, rows)
    return len(rows)


def write_decisions(workspace: Workspace, run: Run, partition: int, rows: pl.DataFrame) -> Path:
    """Write the rows of `decision_rows` to `runs/<run>/decisions/part-XX.parquet` and return that path.

    The file appears whole or not at all, and a second writing replaces it.
    """
    folder = workspace.runs_path / run.run_id / "decisions"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"part-{partition:02d}.parquet"
    write_parquet(rows, path)
    return path


def _labels(arms: InArms) -> tuple[str, ...]:
    return tuple(f"{arms.experiment}:{name}" for name in arms.names)


def _listed(
    deciders: Deciders | None, rows: int, named: Callable[[InArms], tuple[NDArray[Any], tuple[str, ...]]]
) -> pl.Series:
    """Return a list a row, of the names that experiments give it; List(String) [rows]."""
    if deciders is None or not deciders.arms:
        return pl.repeat([], rows, dtype=pl.List(pl.String), eager=True)
    columns = []
    for place, each in enumerate(deciders.arms):
        codes, names = named(each)
        columns.append(_names(codes, Vocabulary(names)).alias(str(place)))
    return pl.DataFrame(columns).select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()


def _names(codes: NDArray[Any], names: pl.Series | Vocabulary) -> pl.Series:
    """Return what each code [n] stands for; null for -1."""
    known = pl.Series(names.names, dtype=pl.String) if isinstance(names, Vocabulary) else names
    places = pl.Series(codes.astype(np.int64))
    return known.gather(places.set(places < 0, None))
