"""From what users did to moments of an experiment: every metric, and what each user did before.

A metric with a window is over users who have been there long enough, so it is a ratio of two columns: what
they did, and whether they count. Every column is 0 for who does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.engine import over_shards, worker_count
from homing.experiments import Metric as Column
from homing.experiments import Moments, adjust, from_arrays, mean, ratio
from homing.schema import InputError
from homing.schema.experiment import Design, Metric
from homing.schema.times import DAY, MISSING, WEEK, parse_duration
from homing.store import Cohort, Number, UserNumbers, Workspace, user_numbers

#: How the users of a partition who have entered are divided, given the partition, all its users, and which of
#: them have: by split, a name of each, str [entered], empty for who is left out.
Splitter = Callable[[int, UserNumbers, NDArray[np.bool_]], Mapping[str, NDArray[np.str_]]]

NEW: Final = "is new"
_ALL: Final = ("", "")
_Extremes = dict[str, NDArray[np.float64]]
_UNEXPLAINED: Final = "delivered without a decision"


@dataclass(frozen=True)
class Measured:
    """An experiment up to an instant, as moments by arm."""

    moments: Moments  # of all columns, as they are
    adjusted: Moments  # less what users had done before
    metrics: Mapping[str, Column]
    before: tuple[Column, ...]  # of the time before the start
    contrasts: tuple[Column, ...]  # later less earlier, weekends less other days
    unexplained: Column  # deliveries that no decision explains
    assigned: NDArray[np.int64]  # [days, arms] users by the day of their first decision
    entered: NDArray[np.int64]  # [days, arms] users by the day from which on they count
    users: tuple[UserNumbers, ...]  # partition by partition, without values
    notes: tuple[str, ...] = ()
    #: by split and name: moments of its users, as they are
    splits: Mapping[str, Mapping[str, Moments]] = field(default_factory=dict)
    #: by metric that is a mean over all users: float64 [arms, 2], its least and largest value
    extremes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def measure(
    workspace: Workspace, design: Design, cohort: Cohort, splitters: Sequence[Splitter] = ()
) -> Measured:
    """Return the moments of an experiment's metrics, in one scan of each partition.

    Args:
        workspace: whose ledger is read.
        design: whose metrics are counted.
        cohort: the users, and until when events are looked at.
        splitters: divide the users; moments of each part are kept, too.

    Raises:
        InputError: no user has entered.
    """
    layout = Layout(design, cohort)

    def of(partition: int) -> tuple[UserNumbers, dict[tuple[str, str], Moments], _Extremes]:
        found = user_numbers(workspace, partition, cohort, layout.numbers)
        inside = (found.entered_at != MISSING) & (found.arm >= 0)
        parts: dict[tuple[str, str], Moments] = {}
        extremes: _Extremes = {}
        if inside.any():
            columns = layout.columns(
                found.values[inside], found.entered_at[inside], found.signed_up_at[inside]
            )
            arm = np.array(cohort.arms)[found.arm[inside]]
            parts[_ALL] = from_arrays(arm, columns)
            means = [name for name, metric in layout.metrics.items() if metric.kind == "mean"]
            extremes = {name: _ends(columns[name], found.arm[inside], len(cohort.arms)) for name in means}
            divided = [divide(partition, found, inside) for divide in splitters]
            for split, names in (each for splits in divided for each in splits.items()):
                for name in np.unique(names[names != ""]).tolist():
                    mine = names == name
                    part = {column: values[mine] for column, values in columns.items()}
                    parts[split, name] = from_arrays(arm[mine], part)
        return dataclasses.replace(found, values=np.zeros((len(found.arm), 0))), parts, extremes

    partitions = workspace.ledger.partitions
    scanned = list(
        over_shards(of, partitions, min(worker_count(workspace.config.engine.threads), partitions))
    )
    users = tuple(found for found, _, _ in scanned)
    total: dict[tuple[str, str], Moments] = {}
    for _, parts, _ in scanned:
        for key, part in parts.items():
            total[key] = total[key] + part if key in total else part
    if not total:
        raise InputError("no user has entered the experiment yet; plan an epoch, or wait for a first trigger")
    total = {key: _in_order(part, cohort.arms) for key, part in total.items()}
    moments = total.pop(_ALL)
    adjusted, notes = layout.adjusted(moments)
    return Measured(
        moments=moments,
        adjusted=adjusted,
        metrics=layout.metrics,
        before=layout.before,
        contrasts=layout.contrasts,
        unexplained=mean(_UNEXPLAINED),
        assigned=_by_day(users, cohort, "assigned_at"),
        entered=_by_day(users, cohort, "entered_at"),
        users=users,
        notes=notes,
        splits={
            split: {name: part for (mine, name), part in total.items() if mine == split}
            for split in sorted({split for split, _ in total})
        },
        extremes=_widest([extremes for _, _, extremes in scanned]),
    )


@dataclass(frozen=True)
class Layout:
    """Which numbers are read, which columns they become, and which columns a metric is made of."""

    design: Design
    cohort: Cohort
    numbers: list[Number] = field(default_factory=list)
    metrics: dict[str, Column] = field(default_factory=dict)
    covariates: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, metric in self.design.metrics.items():
            self._read(name, metric)
        for name in self._contrasted:
            self._read_contrasts(name, self.design.metrics[name])
        self.numbers.append(Number(_UNEXPLAINED, "delivered", "count", 0, unexplained=True))

    @property
    def pre(self) -> int:
        """Length of the time before entry that is looked at, us."""
        return parse_duration(self.design.pre_period)

    @property
    def weeks(self) -> int:
        """Whole weeks between the start and the end of what is known."""
        return (self.cohort.until - self.cohort.start) // WEEK

    @property
    def before(self) -> tuple[Column, ...]:
        """What users did before the start."""
        return tuple(mean(number.name) for number in self.numbers if number.name.endswith(" before"))

    @property
    def contrasts(self) -> tuple[Column, ...]:
        """Of each metric: its last week less its first, and weekends less other days, a day."""
        return tuple(
            ratio(f"{name}{kind}", f"{name}{kind} old", f"{name}{kind}")
            for name in self._contrasted
            for kind in self._lengths
        )

    @property
    def _lengths(self) -> dict[str, tuple[int, int, int]]:
        """Days of both sides of each contrast, and weeks in which they are."""
        later = {" later": (7, 7, 1)} if self.weeks > 1 else {}
        return later | ({" weekend": (2, 5, self.weeks)} if self.weeks else {})

    @property
    def _contrasted(self) -> list[str]:
        return [
            n for n, m in self.design.metrics.items() if m.role == "success" and not m.per and not m.window
        ]

    def columns(
        self,
        values: NDArray[np.float64],
        entered_at: NDArray[np.int64],
        signed_up_at: NDArray[np.int64],
    ) -> dict[str, NDArray[np.float64]]:
        """Return the columns [users] of users who have entered, from their numbers [users, numbers]."""
        read = {number.name: values[:, place] for place, number in enumerate(self.numbers)}
        there = self.cohort.until - entered_at  # how long each user has been there
        new = (signed_up_at > entered_at - self.pre).astype(np.float64)
        columns = {NEW: new, _UNEXPLAINED: read[_UNEXPLAINED]}
        for name, metric in self.design.metrics.items():
            until = metric.span[1]
            old = np.ones(len(values)) if until is None else (there >= until).astype(np.float64)
            mine = [each for each in (name, f"{name} per") if each in read]
            columns |= {each: read[each] * old for each in mine}
            columns |= {f"{each} before": read[f"{each} before"] for each in mine if self.pre}
            if until is not None:
                columns[f"{name} old"] = old
                columns |= {f"{each} before, old": read[f"{each} before"] * old for each in mine if self.pre}
                columns[f"{name} {NEW}, old"] = new * old
        for name in self._contrasted:
            whole = (there >= self.weeks * WEEK).astype(np.float64)
            for kind, (days, base, weeks) in self._lengths.items():
                gap = read[f"{name}{kind}"] / days - read[f"{name}{kind} base"] / base
                columns |= {f"{name}{kind}": gap * whole / weeks, f"{name}{kind} old": whole}
        return columns

    def adjusted(self, moments: Moments) -> tuple[Moments, tuple[str, ...]]:
        """Return the moments less what users had done before, and what there is to say about it."""
        if not self.covariates:
            return moments, ()
        try:
            return adjust(_centred(moments, self.design), self.covariates), ()
        except InputError as error:
            return moments, (f"not adjusted by what users did before: {error}",)

    def _read(self, name: str, metric: Metric) -> None:
        first, last = metric.span
        events = {name: metric.event} | ({f"{name} per": metric.per} if metric.per else {})
        for each, event in events.items():
            how = "count" if each != name else metric.aggregate
            cap = metric.cap if each == name else None
            self.numbers.append(Number(each, event, how, first, last, cap))
            if self.pre:
                self.numbers.append(Number(f"{each} before", event, how, -self.pre, 0, cap))
        old = "" if metric.window is None else ", old"
        if metric.per:
            self.metrics[name] = ratio(name, f"{name} per", name)
        else:
            self.metrics[name] = ratio(name, f"{name} old", name) if metric.window else mean(name)
        if self.pre:
            known = [f"{each} before{old}" for each in events]
            known.append(f"{name} {NEW}, old" if metric.window else NEW)
            if metric.per and metric.window:
                known.append(f"{name} old")
            for each in events:
                self.covariates[each] = known

    def _read_contrasts(self, name: str, metric: Metric) -> None:
        def read(kind: str, since: int, until: int, weekend: bool | None = None) -> None:
            self.numbers.append(
                Number(f"{name}{kind}", metric.event, metric.aggregate, since, until, metric.cap, weekend)
            )

        end = self.weeks * WEEK
        if " later" in self._lengths:
            read(" later", end - WEEK, end)
            read(" later base", 0, WEEK)
        if " weekend" in self._lengths:
            read(" weekend", 0, end, weekend=True)
            read(" weekend base", 0, end, weekend=False)


def _centred(moments: Moments, design: Design) -> Moments:
    """Return moments in which covariates of metrics with a window are less their mean over who counts.

    Then they are 0 for who does not count without a jump, and only what varies among those who do is noise
    that they can take away: x counts -> (x - mean of x) counts, which is linear in the columns.
    """
    matrix = np.eye(len(moments.columns))
    total = moments.count / moments.count.sum()
    level = total @ moments.mean
    for name, metric in design.metrics.items():
        if metric.window is None or metric.per:
            continue
        old = moments.column(f"{name} old")
        if level[old] > 0:
            for covariate in (f"{name} before, old", f"{name} {NEW}, old"):
                if covariate in moments.columns:
                    place = moments.column(covariate)
                    matrix[place, old] = -level[place] / level[old]
    return dataclasses.replace(
        moments, mean=moments.mean @ matrix.T, scatter=matrix @ moments.scatter @ matrix.T
    )


def _in_order(moments: Moments, arms: tuple[str, ...]) -> Moments:
    """Return the moments with the arms in the order of the design; an arm without users has 0."""
    place = [moments.arms.index(arm) if arm in moments.arms else -1 for arm in arms]
    there = np.array(place) >= 0
    return dataclasses.replace(
        moments,
        arms=arms,
        count=moments.count[place] * there,
        mean=moments.mean[place] * there[:, None],
        scatter=moments.scatter[place] * there[:, None, None],
    )


def _ends(values: NDArray[np.float64], arm: NDArray[np.int32], arms: int) -> NDArray[np.float64]:
    """Return the least and the largest value in each arm; infinite where there is none."""
    ends = np.column_stack([np.full(arms, np.inf), np.full(arms, -np.inf)])
    np.minimum.at(ends[:, 0], arm, values)
    np.maximum.at(ends[:, 1], arm, values)
    return ends


def _widest(parts: Sequence[_Extremes]) -> _Extremes:
    """Return the least and largest values of all parts; 0 in an arm without users."""
    found: _Extremes = {}
    for name in {name: None for part in parts for name in part}:
        ends = np.stack([part[name] for part in parts if name in part])
        both = np.column_stack([ends[..., 0].min(axis=0), ends[..., 1].max(axis=0)])
        found[name] = np.where(np.isfinite(both), both, 0.0)
    return found


def _by_day(users: tuple[UserNumbers, ...], cohort: Cohort, when: str) -> NDArray[np.int64]:
    """Return users by day since the start and arm: int64 [days, arms]."""
    days = max(-(-(cohort.until - cohort.start) // DAY), 1)
    counts = np.zeros((days, len(cohort.arms)), np.int64)
    for part in users:
        at = getattr(part, when)
        inside = (at != MISSING) & (part.arm >= 0)
        np.add.at(counts, ((at[inside] - cohort.start) // DAY, part.arm[inside]), 1)
    return counts
