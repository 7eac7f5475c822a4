"""Who decides for each user at an epoch: the current release, an arm of an experiment, or the holdout.

The same random number draws under every arm, as it derives from (salt, user, epoch). So where arms would have
decided alike they do, and users until their first different decision have the same history in all arms: that
decision, the trigger, comes to the same users whatever their arm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from homing.experiments import Experiment, assign, in_holdout
from homing.lifecycle.experiment.deciders import Decider, Setting, arm_policy
from homing.lifecycle.release import Release, load_release
from homing.schema import Exclusions, Instants, Reason, Shard, Vocabularies, WorkspaceError
from homing.schema.drawn import Deciders, Drawn, InArms
from homing.schema.experiment import HOLDOUT
from homing.schema.experiment_record import Record
from homing.store import Workspace, read_records


@dataclass(frozen=True)
class Part:
    """Decisions for some rows of a shard."""

    drawn: Drawn
    removed: Exclusions
    hold_values: NDArray[np.float64]  # [objectives] what hold is worth, summed over the rows


@dataclass(frozen=True)
class Underway:
    """What is tried at one epoch, and on whom."""

    workspace: Workspace
    at: int  # us
    vocabularies: Vocabularies
    current: Release
    records: tuple[Record, ...] = ()  # of the experiments that have users
    releases: Mapping[str, Release] = field(default_factory=dict)

    @property
    def tries(self) -> bool:
        """Whether anybody decides but the current release."""
        return bool(self.records) or self.workspace.config.holdout.share > 0

    def draw(
        self, shard: Shard, rows: Instants, by: Callable[[Instants, Decider], Part]
    ) -> tuple[Part, Deciders]:
        """Return every row's decision by who decides for its user.

        Args:
            shard: all that is known of the users.
            rows: at the epoch.
            by: draws for some of the rows.
        """
        if not self.tries:
            part = by(rows, self.decider(Setting()))
            return part, Deciders((self.current.id,), np.zeros(len(rows), np.int16))
        arms, held = self.arms_of(shard.users.hash[rows.user])
        deciders = _Table(self)
        own = deciders.of(held, arms)
        other = {
            place: [
                deciders.of(held, [*arms[:place], np.where(arms[place] >= 0, code, -1), *arms[place + 1 :]])
                for code in range(len(record.design.arms))
            ]
            for place, record in enumerate(self.records)
            if record.design.exposure == "triggered"
        }
        parts, choice = [], np.full((len(deciders), len(rows), 3), -2, np.int64)
        for number, decider in enumerate(deciders):
            mine = own == number
            asked = np.zeros(len(rows), np.bool_)
            for codes in (codes for several in other.values() for codes in several):
                asked |= (codes == number) & ~mine
            if mine.any() or len(deciders) == 1:
                part = by(_take(rows, mine), decider)
                parts.append(part if decider.complete else marked(part))
                choice[number, mine] = _choice(part.drawn)
            if asked.any():
                choice[number, asked] = _choice(by(_take(rows, asked), decider).drawn)
        row, triggered = np.arange(len(rows)), []
        for place in range(len(self.records)):
            differs = np.zeros(len(rows), np.bool_)
            for codes in other.get(place, ()):
                differs |= (choice[codes, row] != choice[own, row]).any(axis=1)
            triggered.append(differs)
        return merged(parts), self.logged(arms, held, list(deciders), own, triggered)

    def logged(
        self,
        arms: Sequence[NDArray[np.int16]],
        held: NDArray[np.bool_],
        deciders: Sequence[Decider],
        own: NDArray[np.int64],
        triggered: Sequence[NDArray[np.bool_]],
    ) -> Deciders:
        """Return what is logged of who decided.

        Args:
            arms: [experiments] of int16 [rows], and
            held: bool [rows], from `arms_of`.
            deciders: who decide.
            own: int64 [rows] place of each row's decider.
            triggered: [experiments] of bool [rows].
        """
        in_arms = [
            InArms(record.name, tuple(record.design.arms), arm, differs)
            for record, arm, differs in zip(self.records, arms, triggered, strict=True)
        ]
        if held.any():
            in_arms.append(
                InArms(HOLDOUT, ("held",), held.astype(np.int16) - np.int16(1), np.zeros_like(held))
            )
        names = tuple(dict.fromkeys(decider.release.id for decider in deciders))
        of_decider = np.array([names.index(decider.release.id) for decider in deciders], np.int16)
        return Deciders(names, of_decider[own], tuple(in_arms))

    def arms_of(self, user_hash: NDArray[np.uint64]) -> tuple[list[NDArray[np.int16]], NDArray[np.bool_]]:
        """Return each user's place among the arms of each experiment, and who is in the global holdout."""
        config = self.workspace.config
        if not self.tries:
            return [], np.zeros(len(user_hash), np.bool_)
        held = in_holdout(user_hash, config.workspace.salt, config.holdout.share)
        arms = []
        for record in self.records:
            arm = assign(user_hash, split_of(record, record.traffic_at(self.at)), record.design.salt)
            arms.append(np.where(held, np.int16(-1), arm).astype(np.int16))
        return arms, held

    def setting_of(self, codes: Sequence[int]) -> Setting:
        """Return what decides: 1 of the holdout, then the arm's place in each experiment, -1: in none."""
        setting = Setting(policy=self.workspace.config.holdout.policy) if codes[0] == 1 else Setting()
        for record, code in zip(self.records, codes[1:], strict=True):
            if code >= 0:
                setting = setting.with_arm(list(record.design.arms.values())[code])
        return setting

    def decider(self, setting: Setting) -> Decider:
        """Return who decides under a setting."""
        release = self.releases[setting.release] if setting.release else self.current
        return Decider(release, arm_policy(self.workspace, release, self.vocabularies, setting))


def split_of(record: Record, traffic: float) -> Experiment:
    """Return how an experiment splits users."""
    design = record.design
    return Experiment(record.name, design.shares, traffic, design.layer, design.range)


def underway_at(
    workspace: Workspace, at: int, current: Release, vocabularies: Vocabularies, threads: int | None = None
) -> Underway:
    """Return what is tried at an epoch (us), with the releases that it takes.

    Raises:
        WorkspaceError: a release of an arm is not there, or has other objectives than the current one.
        InputError: the holdout's policy is not known.
    """
    records = tuple(record for record in read_records(workspace) if record.traffic_at(at) > 0)
    names = {arm.release for record in records for arm in record.design.arms.values() if arm.release}
    releases = {}
    for name in sorted(names):
        same = name == current.id
        releases[name] = current if same else load_release(workspace, vocabularies, name, threads)
        if releases[name].objectives != current.objectives:
            raise WorkspaceError(
                f"release {name!r} of an arm has the objectives {releases[name].objectives}, must have those "
                f"of {current.id!r}, {current.objectives}; 'homing experiment stop' ends the experiment"
            )
    underway = Underway(workspace, at, vocabularies, current, records, releases)
    if workspace.config.holdout.share > 0:
        underway.decider(Setting(policy=workspace.config.holdout.policy))
    return underway


class _Table:
    """The deciders that one shard needs, in the order in which they were met."""

    def __init__(self, underway: Underway) -> None:
        self._underway = underway
        self._known: dict[Setting, int] = {}
        self._deciders: list[Decider] = []

    def __len__(self) -> int:
        return len(self._deciders)

    def __iter__(self) -> Iterator[Decider]:
        return iter(self._deciders)

    def of(self, held: NDArray[np.bool_], arms: Sequence[NDArray[np.int16]]) -> NDArray[np.int64]:
        """Return the place of each row's decider: int64 [rows]."""
        codes = np.column_stack([held.astype(np.int16), *arms])
        combinations, inverse = np.unique(codes, axis=0, return_inverse=True)
        places = [self._place(combination.tolist()) for combination in combinations]
        if not places:
            self._place([0] * codes.shape[1])
        return np.array(places, np.int64)[inverse.ravel()]

    def _place(self, codes: list[int]) -> int:
        setting = self._underway.setting_of(codes)
        if setting not in self._known:
            self._known[setting] = len(self._deciders)
            self._deciders.append(self._underway.decider(setting))
        return self._known[setting]


def _take(rows: Instants, mask: NDArray[np.bool_]) -> Instants:
    return rows if mask.all() else Instants(rows.user[mask], rows.at[mask])


def _choice(drawn: Drawn) -> NDArray[np.int64]:
    """Return what was chosen: int64 [rows, 3]."""
    return np.column_stack([drawn.opportunity, drawn.channel, drawn.slot_start]).astype(np.int64)


def marked(part: Part) -> Part:
    """Return the part with the reason that no other policy can be valued on its decisions.

    Also where hold was all there was: users are left out of an evaluation by their arm, whole, not by what
    they could have been sent.
    """
    reason = np.where(
        part.drawn.reason == Reason.transactional, part.drawn.reason, np.int8(Reason.arm)
    ).astype(np.int8)
    return dataclasses.replace(part, drawn=dataclasses.replace(part.drawn, reason=reason))


def merged(parts: Sequence[Part]) -> Part:
    """Return parts for different users as one."""
    if len(parts) == 1:
        return parts[0]
    removed = [part.removed for part in parts]
    user = np.concatenate([each.user for each in removed])
    order = np.argsort(user, kind="stable")
    sampled = {
        name: np.concatenate([getattr(each, name) for each in removed])[order]
        for name in ("opportunity", "channel", "slot_start", "rule")
    }
    counts = np.sum([each.counts for each in removed], axis=0)
    return Part(
        Drawn.together([part.drawn for part in parts]),
        Exclusions(rules=removed[0].rules, counts=counts, user=user[order], **sampled),
        np.sum([part.hold_values for part in parts], axis=0),
    )
