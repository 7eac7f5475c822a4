"""The ledger as a decision process: transitions of the decisions that training may see, as mapped files.

1. Replay decisions with their candidate sets, by the rules and the view of the current release.
2. What an objective with a horizon brings until the user's next decision is that decision's reward. An
   objective without one brings what its window does, and looks no further.
3. Write some thousand decisions after the other; those and the tables of one shard are in memory.

Nobody is absorbed: people who opted out go on having decisions, of which hold may be the only candidate, and
are cut where the log ends.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from homing.decision import Context, Policy
from homing.decision.replay import Replay, replay
from homing.lifecycle.horizons import horizons, with_objectives
from homing.lifecycle.progress import Progress, Silent
from homing.lifecycle.release import Release, load_release
from homing.lifecycle.replay import outcomes_of
from homing.lifecycle.splits import CALIBRATION, TRAIN
from homing.schema import InputError, Shard, WorkspaceError
from homing.schema.times import DAY
from homing.store import Workspace, load_shard

if TYPE_CHECKING:
    from homing.models.value import Encoding, Transitions

_ROWS: Final = 8_000  # decisions at a time
_TOLERANCE: Final = 1e-6  # between a probability and the propensity that the log has of it
_TRANSITIONS, _ENCODING, _FACTS = "transitions", "encoding.json", "process.json"


@dataclass(frozen=True)
class DecisionProcess:
    """Transitions, and what is needed to read them."""

    data: Transitions  # memory-mapped; times in days
    encoding: Encoding  # from features to states and blocks
    objectives: tuple[str, ...]  # columns of the reward
    horizons: tuple[float, ...]  # [objectives] days; 0: the objective has none


def save_decision_process(
    workspace: Workspace, folder: Path, logger: Policy | None = None, progress: Progress | None = None
) -> DecisionProcess:
    """Write the decisions that training may see as transitions to a new folder, and open it.

    Args:
        workspace: with a release.
        folder: that does not exist.
        logger: the policy that wrote the log, if it can be asked again: the ledger has the propensity of the
            choice alone, and what needs those of all candidates (`Logged`, `centred`, policies that are held
            near the log) needs it. A decision whose candidate set is another one today is cut.
        progress: where to report.

    Raises:
        WorkspaceError: there is no release.
        InputError: the folder exists, no decision has a successor, or `logger` did not write the log.
    """
    from homing.models.value import save_transitions

    release = load_release(workspace, workspace.ledger.vocabularies())
    if folder.exists():
        raise InputError(f"folder == {str(folder)!r} exists, must be new; remove it or name another")
    encoding = _encoding(workspace, release)
    parts = _parts(workspace, release, encoding, logger, progress or Silent())
    days = horizons(release.config)
    facts = {name: days.get(name, 0) for name in release.objectives}
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        save_transitions(parts, aside / _TRANSITIONS)
        encoding.save(aside / _ENCODING)
        (aside / _FACTS).write_text(json.dumps(facts))
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return open_decision_process(folder)


def open_decision_process(folder: Path) -> DecisionProcess:
    """Return what `save_decision_process` wrote.

    Raises:
        InputError: it is not there.
    """
    from homing.models.value import Encoding, open_transitions

    if not (folder / _FACTS).is_file():
        raise InputError(f"{folder} has no decision process; save one there")
    facts = json.loads((folder / _FACTS).read_text())
    return DecisionProcess(
        open_transitions(folder / _TRANSITIONS),
        Encoding.load(folder / _ENCODING),
        tuple(facts),
        tuple(float(days) for days in facts.values()),
    )


def _parts(
    workspace: Workspace, release: Release, encoding: Encoding, logger: Policy | None, progress: Progress
) -> Iterator[Transitions]:
    partitions = workspace.ledger.partitions
    for partition in range(partitions):
        shard = load_shard(workspace, partition).shard
        for row in _by_user(shard, release):
            found = _transitions(shard, replay(shard, row, release.config), release, encoding, logger)
            if found is not None:
                yield found
        progress.update("transitions", (partition + 1) / partitions)


def _by_user(shard: Shard, release: Release) -> list[NDArray[np.int64]]:
    """Return the rows of the decisions that training may see, some thousand at a time, of whole users."""
    log = shard.decisions
    part = release.split.assign(shard.users, log.user, log.epoch_at)
    row = np.flatnonzero((part == TRAIN) | (part == CALIBRATION))
    if not len(row):
        return []
    begins = np.flatnonzero(np.diff(log.user[row], prepend=-1))
    cuts = begins[np.searchsorted(begins, np.arange(_ROWS, len(row), _ROWS), side="right") - 1]
    return [rows for rows in np.split(row, np.unique(cuts)) if len(rows)]


def _transitions(
    shard: Shard, seen: Replay, release: Release, encoding: Encoding, logger: Policy | None
) -> Transitions | None:
    """Return the transitions of some decisions; None where none of them leads on."""
    from homing.models.value import CUT, make_transitions

    log, row = shard.decisions, seen.row
    if not len(row):
        return None
    user = log.user[row]
    after = np.minimum(row + 1, len(log) - 1)
    goes_on = (after > row) & (log.user[after] == user)
    until = np.where(goes_on, log.epoch_at[after], log.epoch_at[row])
    reward = _rewards(shard, row, until, release)
    known = goes_on & np.isfinite(reward).all(axis=1)
    propensity = None
    if logger is not None:
        propensity = _propensities(seen, logger)
        known &= seen.same_set
    place = np.minimum(np.searchsorted(row, after), len(row) - 1)
    known &= row[place] == after
    if not known.any():
        return None
    return make_transitions(
        user=shard.users.hash[user, 0].astype(np.int64),
        **encoding(release.view.features(shard, seen.candidates)),
        choice=seen.chosen - seen.candidates.offsets[:-1],
        reward=np.nan_to_num(reward),
        elapsed=(until - log.epoch_at[row]) / DAY,
        following=np.where(known, place, CUT),
        propensity=propensity,
    )


def _rewards(
    shard: Shard, row: NDArray[np.int64], until: NDArray[np.int64], release: Release
) -> NDArray[np.float32]:
    """Return float32 [rows, objectives]: until the next decision or, without a horizon, within the window."""
    config, end = release.config, release.split.outcomes_until(release.watermark)
    ahead = horizons(config)
    reward = np.empty((len(row), len(config.objectives)), np.float32)
    for long_term in (True, False):
        own = {name: o.judged for name, o in config.objectives.items() if (name in ahead) == long_term}
        if own:
            places = [list(config.objectives).index(name) for name in own]
            counted = with_objectives(config, own)
            reward[:, places] = outcomes_of(shard, row, counted, end, until if long_term else None)
    return reward


def _propensities(seen: Replay, logger: Policy) -> NDArray[np.float64]:
    """Return the logging policy's probability of each candidate: float64 [candidates].

    Raises:
        InputError: it is not the propensity of a choice.
    """
    log = seen.shard.decisions
    chance = logger.probabilities(Context(seen.shard, seen.candidates))
    have, want = chance[seen.chosen], log.propensity[seen.row]
    wrong = np.flatnonzero(seen.same_set & (np.abs(have - want) > _TOLERANCE))
    if len(wrong):
        raise InputError(
            f"logger == {logger.name!r} chooses with probability {have[wrong[0]]:g} what the log has a "
            f"propensity of {want[wrong[0]]:g} for; pass the policy that wrote the log, or none"
        )
    return chance


def _encoding(workspace: Workspace, release: Release) -> Encoding:
    """Return the encoding, measured on decisions of the first shard that has some."""
    from homing.models.value import Encoding

    for partition in range(workspace.ledger.partitions):
        shard = load_shard(workspace, partition).shard
        rows = _by_user(shard, release)
        if rows:
            seen = replay(shard, rows[0], release.config)
            return Encoding.measure(release.view.features(shard, seen.candidates))
    raise WorkspaceError(
        "the ledger has no decision that training may see; ingest decisions, and run 'homing train'"
    )
