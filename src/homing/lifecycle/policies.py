"""The policies that an evaluation compares, by the names that people give them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from homing.decision import Constant, Context, Hold, Policy, Uniform
from homing.lifecycle.release import Release, load_release
from homing.schema import Config, Decisions, InputError, Vocabularies, WorkspaceError
from homing.schema.errors import nearest
from homing.store import Workspace

#: Other names for the policy that wrote the log, which is always shown, and for the release's.
ALIASES = {"current": "logging", "candidate": "learned"}
_FEW_MESSAGES = 5  # with so few, sending one of them to all is a policy worth beating


@dataclass(frozen=True)
class Habit:
    """What a release was seen to do: each message and channel by how often it chose them.

    That is the release's distribution over time when it did not look at the user. Logged propensities are
    not averaged for this: a policy that changes logs its high ones more often than its low ones.
    """

    name: str
    chosen: NDArray[np.int64]  # [messages + 1, channels + 1] decisions; the last of each is hold
    floor: float = 0.0

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]: the frequencies, shared by slots, made to sum to 1 in each row."""
        candidates = context.candidates
        cell = candidates.message.astype(np.int64) * self.chosen.shape[1] + candidates.channel
        row = candidates.row
        _, place, shared = np.unique(
            np.stack([row, cell], axis=1), axis=0, return_inverse=True, return_counts=True
        )
        mass = self.chosen[candidates.message, candidates.channel] / shared[place]
        total = np.add.reduceat(mass, candidates.offsets[:-1])
        alone = candidates.is_hold.astype(np.float64)
        share = np.where(total[row] > 0, mass / np.where(total > 0, total, 1)[row], alone)
        return context.with_forced(share)


@dataclass(frozen=True)
class Released:
    """A release's policy, with the values of its own model."""

    name: str
    release: Release

    @property
    def floor(self) -> float:
        """Share of each distribution that is uniform."""
        return self.release.policy().floor

    def probabilities(self, context: Context) -> NDArray[np.float64]:
        """Return float64 [n]."""
        features = self.release.view.features(context.shard, context.candidates)
        values = self.release.model.predict(features)
        return self.release.policy().probabilities(replace(context, values=values))


def logging_releases(
    workspace: Workspace, release: Release, vocabularies: Vocabularies, logs: list[Decisions]
) -> dict[int, Released]:
    """Return code -> policy of the releases that wrote the log and can be asked again.

    Those are in the workspace, undamaged, and read the same state as the current one.
    """
    codes = np.unique(np.concatenate([log.release for log in logs])).tolist()
    found = {}
    for code in (code for code in codes if code >= 0):
        name = vocabularies.releases.names[code]
        if not (workspace.releases_path / name).is_dir():
            continue
        try:
            other = release if name == release.id else load_release(workspace, vocabularies, name)
        except WorkspaceError:  # 'homing doctor' tells; the log stands without it
            continue
        mine, theirs = release.view, other.view
        if theirs.layout == mine.layout and (theirs.spec.user, theirs.spec.candidate) == (
            mine.spec.user,
            mine.spec.candidate,
        ):
            found[code] = Released(f"release:{name}", other)
    return found


def habit_of(name: str, decisions: list[Decisions], code: int, vocabularies: Vocabularies) -> Habit:
    """Return the habit of the release with this code, from the ledger's decisions by shard."""
    chosen = np.zeros((len(vocabularies.messages) + 1, len(vocabularies.channels) + 1), np.int64)
    for log in decisions:
        of = log.release == code
        np.add.at(chosen, (log.message[of], log.channel[of]), 1)
    return Habit(name, chosen)


def policy_names(config: Config, release: Release, vocabularies: Vocabularies) -> tuple[str, ...]:
    """Return the configured policies, or a set that fits the log, without the logging policy itself."""
    if config.evaluation.policies:
        return tuple(dict.fromkeys(name for name in config.evaluation.policies if name != "logging"))
    constants = vocabularies.messages.names if len(vocabularies.messages) <= _FEW_MESSAGES else ()
    alone = release.objectives if len(release.objectives) > 1 else ()
    return (
        "hold",
        "uniform",
        *(f"constant:{name}" for name in constants),
        "learned",
        "greedy",
        *(f"learned:{name}" for name in alone if config.objectives[name].weight > 0),
    )


def make_policy(
    name: str, workspace: Workspace, release: Release, vocabularies: Vocabularies, logs: list[Decisions]
) -> Policy:
    """Return the policy of that name.

    Args:
        name: hold, uniform, learned, greedy (the same without exploration), constant:MESSAGE,
            learned:OBJECTIVE, greedy:OBJECTIVE or release:NAME.
        workspace: where releases are.
        release: the one that `learned` means.
        vocabularies: of the ledger.
        logs: the ledger's decisions by shard, from which the habit of a foreign release is read.

    Raises:
        InputError: the name is none of these.
    """
    kind, _, what = name.partition(":")
    plain: dict[str, Policy] = {
        "hold": Hold(),
        "uniform": Uniform(),
        "learned": release.policy(),
        "greedy": release.greedy(),
    }
    if name in plain:
        return plain[name]
    if kind == "constant" and what in vocabularies.messages:
        return Constant(vocabularies.messages.code(what), name)
    if kind in ("learned", "greedy") and what in release.objectives:
        return release.policy(what) if kind == "learned" else release.greedy(what)
    if kind == "release" and what in vocabularies.releases:
        if (workspace.releases_path / what).is_dir():
            return Released(name, load_release(workspace, vocabularies, what))
        return habit_of(name, logs, vocabularies.releases.code(what), vocabularies)
    known = {
        "constant": vocabularies.messages.names,
        "learned": release.objectives,
        "greedy": release.objectives,
        "release": vocabularies.releases.names,
    }.get(kind)
    if known is not None:
        some = ", ".join(known[:10]) + (" ..." if len(known) > 10 else "")
        raise InputError(
            f"policy == {name!r}: no such {kind}{nearest(what, known)}; there are {some or 'none'}"
        )
    kinds = (*plain, "logging", "constant:MESSAGE", "learned:OBJECTIVE", "greedy:OBJECTIVE", "release:NAME")
    raise InputError(f"policy == {name!r}, must be one of {', '.join(kinds)}{nearest(name, kinds)}")
