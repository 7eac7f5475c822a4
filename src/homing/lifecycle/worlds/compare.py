"""Policies side by side: the same people, the same opportunities, the same luck.

1. Where a policy has to be trained, other people of the same world are logged first, and it learns from them.
2. Every part of the population lives through the period once with each policy, and again for each replicate.
3. Each person's numbers are taken with and without: differences from the baseline are paired by person.
4. Only sums over people leave a part, so memory does not grow with the population.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from math import nan, sqrt
from pathlib import Path
from statistics import NormalDist
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from homing.engine import over_shards, worker_count
from homing.lifecycle.progress import Progress, Silent, Timings
from homing.lifecycle.worlds.contender import Entrant
from homing.lifecycle.worlds.entrants import Known, Trained, find_entrant
from homing.lifecycle.worlds.ground import Ground, prepare_ground, with_click
from homing.lifecycle.worlds.measures import lives
from homing.lifecycle.worlds.rollout import rollout
from homing.report.facts import Estimate, Header, Stage
from homing.report.leaderboard import Leaderboard, Measure, Score, Standing
from homing.schema import Config, InputError, Vocabularies
from homing.schema.times import DAY, format_time
from homing.simulator import Setup, world_maker

CONFIDENCE = 0.95
_FEWEST = 2  # people, below which nothing varies


@dataclass(frozen=True)
class Schooling:
    """The log that trained policies learn from."""

    users: int = 20_000
    days: int = 42
    workspace: Path | None = None  # where it is kept, a folder for each seed; None: it is not


@dataclass(frozen=True)
class _Sums:
    """Sums over people of each policy's numbers, and of their products with the baseline's."""

    baseline: int  # its row
    people: int
    first: NDArray[np.float64]  # [policies, columns]
    second: NDArray[np.float64]  # [policies, columns] of squares
    cross: NDArray[np.float64]  # [policies, columns] of products with the baseline

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.baseline,
            self.people + other.people,
            self.first + other.first,
            self.second + other.second,
            self.cross + other.cross,
        )

    def mean(self, policy: int, column: int) -> Estimate:
        """Return the mean over people."""
        n, total = self.people, self.first[policy, column]
        return _estimate(total / n, (self.second[policy, column] - total**2 / n) / (n - 1), n)

    def difference(self, policy: int, column: int) -> Estimate:
        """Return the mean difference from the baseline, paired by person."""
        n, (total, square, _, _) = self.people, self._paired(policy, column)
        return _estimate(total / n, (square - total**2 / n) / (n - 1), n)

    def relative(self, policy: int, column: int) -> Estimate:
        """Return the ratio of the mean difference to the baseline's mean, by the delta method.

        The variance is that of (d - r b) / mean(b), with d a person's difference, b their number with the
        baseline, and r the ratio.
        """
        n, (total, square, cross, base) = self.people, self._paired(policy, column)
        mean = self.first[self.baseline, column] / n
        if mean == 0:
            return Estimate(nan)
        ratio = total / n / mean
        spread = square - 2 * ratio * cross + ratio**2 * base
        return _estimate(ratio, spread / (n - 1) / mean**2, n)

    def _paired(self, policy: int, column: int) -> tuple[float, float, float, float]:
        """Return sums over people of d, d^2, d b and b^2."""
        base = self.second[self.baseline, column]
        both, own = self.cross[policy, column], self.second[policy, column]
        total = self.first[policy, column] - self.first[self.baseline, column]
        return float(total), float(own - 2 * both + base), float(both - base), float(base)

    @classmethod
    def of(cls, numbers: NDArray[np.float64], baseline: int) -> _Sums:
        """Return the sums of numbers [policies, people, columns]."""
        return cls(
            baseline,
            numbers.shape[1],
            numbers.sum(axis=1),
            np.square(numbers).sum(axis=1),
            (numbers * numbers[baseline]).sum(axis=1),
        )


def _estimate(value: float, variance: float, people: int) -> Estimate:
    """Return a mean over people with its interval; `variance` is that of one person."""
    half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * sqrt(max(variance, 0.0) / people)
    return Estimate(float(value), float(value - half), float(value + half))


def compare(
    world: str,
    setup: Setup,
    policies: Sequence[str],
    config: Config,
    baseline: str = "hold",
    seeds: int = 1,
    replicates: int = 1,
    schooling: Schooling | None = None,
    workers: int = 0,
    progress: Progress | None = None,
) -> Leaderboard:
    """Let policies decide for the same people under the same luck, and tell what it does to them.

    Args:
        world: its name.
        setup: the population and the period; its seed is that of the first world.
        policies: names as in `homing.lifecycle.worlds.entrants`; the baseline is added where it is missing.
        config: the hard rules, and the objectives of trained policies.
        baseline: from which differences are taken.
        seeds: worlds, each with messages and people of its own; policies are trained in each of them.
        replicates: lives of each person, whose numbers are averaged.
        schooling: the log that trained policies learn from.
        workers: parts at once; 0: as many as there are cores.
        progress: where to report.

    Raises:
        InputError: the world or a policy is not known, or a number is under 1.
    """
    if seeds < 1 or replicates < 1 or setup.users < _FEWEST:
        raise InputError(
            f"seeds == {seeds}, replicates == {replicates}, users == {setup.users}, "
            f"must be >= 1, >= 1 and >= {_FEWEST}"
        )
    progress, timings, schooling = progress or Silent(), Timings(), schooling or Schooling()
    names = tuple(dict.fromkeys([baseline, *policies]))
    known = {name: find_entrant(name) for name in names}
    config = with_click(config)
    maker = world_maker(world)
    setup = dataclasses.replace(setup, channels=tuple(config.channels))
    log = schooling if any(isinstance(one, Trained) for one in known.values()) else None
    found: list[_Sums] = []
    measures: tuple[Measure, ...] = ()
    for number in range(seeds):
        of_seed = dataclasses.replace(setup, seed=setup.seed + number)
        with _ground(world, of_seed, config, log, workers, progress, timings) as ground:
            entrants = {name: _made(one, ground, config) for name, one in known.items()}
            words = ground.vocabularies if ground else None
            parts = list(of_seed.parts())
            shares = _Shares(progress, (number, seeds), len(parts) * len(names) * replicates)

            def of_part(
                place: int,
                parts: list[Setup] = parts,
                entrants: dict[str, Entrant] = entrants,
                words: Vocabularies | None = words,
                shares: _Shares = shares,
            ) -> tuple[_Sums, tuple[Measure, ...]]:
                numbers: list[NDArray[np.float64]] = []
                for name, entrant in entrants.items():
                    total = np.zeros(())
                    for replicate in range(replicates):
                        lived = maker(dataclasses.replace(parts[place], replicate=replicate))
                        run = rollout(lived, entrant(lived), config, words, report=shares.listener(name))
                        told = lives(run)
                        total = total + np.column_stack([told.numbers, told.active, told.active_weeks])
                    numbers.append(total / replicates)
                return _Sums.of(np.stack(numbers), names.index(baseline)), told.measures

            with timings.measure("compare"):
                done = list(over_shards(of_part, len(parts), worker_count(workers)))
            found.append(reduce(_Sums.plus, (sums for sums, _ in done)))
            measures = done[0][1]
    standings = [
        _standing(name, row, baseline, measures, setup.days, found) for row, name in enumerate(names)
    ]
    standings.sort(key=lambda standing: -standing.scores[0].mean.value)
    return Leaderboard(
        header=_header(world, standings, baseline, setup, seeds),
        world=world,
        people=setup.users,
        days=setup.days,
        seeds=tuple(range(setup.seed, setup.seed + seeds)),
        replicates=replicates,
        baseline=baseline,
        measures=measures,
        standings=tuple(standings),
        confidence=CONFIDENCE,
        training=_training(log),
        stages=tuple(Stage(name, s, timings.peak_bytes) for name, s in timings.seconds.items()),
    )


def _made(known: Known, ground: Ground | None, config: Config) -> Entrant:
    if isinstance(known, Trained):
        assert ground is not None
        return known.make(ground)
    return known.make(config)


@contextmanager
def _ground(
    world: str,
    setup: Setup,
    config: Config,
    log: Schooling | None,
    workers: int,
    progress: Progress,
    timings: Timings,
) -> Iterator[Ground | None]:
    """Give what trained policies learn from, in a folder that is kept if it was named."""
    if log is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="homing-") as gone:
        folder = (log.workspace or Path(gone)) / f"seed-{setup.seed}"
        with timings.measure("train"):
            ground = prepare_ground(folder, world, setup, config, log.users, log.days, workers, progress)
        yield ground


class _Shares:
    """Adds up how far the rollouts of one world have come."""

    def __init__(self, progress: Progress, place: tuple[int, int], rollouts: int) -> None:
        self._progress, self._rollouts, self._lock = progress, rollouts, Lock()
        self._first, self._worlds = place
        self._done = 0.0

    def listener(self, name: str) -> Callable[[float], None]:
        """Return what one rollout reports to."""
        before = 0.0

        def report(share: float) -> None:
            nonlocal before
            with self._lock:
                self._done += share - before
                before = share
                done = (self._first + self._done / self._rollouts) / self._worlds
                self._progress.update("compare", min(done, 1.0), name)

        return report


def _standing(
    name: str, row: int, baseline: str, measures: Sequence[Measure], days: int, found: Sequence[_Sums]
) -> Standing:
    """Return what one policy came to, over all worlds."""
    total, columns = reduce(_Sums.plus, found), len(measures)
    is_baseline = name == baseline
    differences = [total.difference(row, column) for column in range(total.first.shape[1])]
    return Standing(
        policy=name,
        scores=tuple(
            Score(
                measure.name,
                total.mean(row, column),
                None if is_baseline else differences[column],
                None if is_baseline else total.relative(row, column),
            )
            for column, measure in enumerate(measures)
        ),
        daily=tuple((total.first[row, columns : columns + days] / total.people).tolist()),
        daily_difference=() if is_baseline else tuple(differences[columns : columns + days]),
        weekly=tuple((total.first[row, columns + days :] / total.people).tolist()),
        weekly_difference=() if is_baseline else tuple(differences[columns + days :]),
        by_seed=() if is_baseline else tuple(one.difference(row, 0).value for one in found),
    )


def _header(world: str, standings: Sequence[Standing], baseline: str, setup: Setup, seeds: int) -> Header:
    """Return the comparison in one sentence."""
    best = standings[0]
    if best.policy == baseline:
        worst = standings[-1]
        loses = worst.scores[0].relative
        told = "" if loses is None else f"; furthest behind is {worst.policy}, at {signed(loses)}"
        verdict = f"No policy has more active days than {baseline} in {world}{told}"
    else:
        gains = best.scores[0].relative
        assert gains is not None
        verdict = f"{best.policy} has the most active days in {world}: {signed(gains)} against {baseline}"
        if gains.low <= 0:
            verdict += ", which may be chance"
    now = datetime.now(UTC)
    return Header(
        workspace=f"World {world}",
        run_id=f"{now:%Y%m%dT%H%M%S}-compare",
        created_at=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        verdict=f"{verdict}.",
        verdict_basis=(
            "Every policy decided for the same people with the same opportunities and the same luck; "
            f"differences are paired by person, with {CONFIDENCE:.0%} intervals over people."
        ),
        log_from=format_time(setup.start),
        log_until=format_time(setup.start + setup.days * DAY),
        users=setup.users * seeds,
    )


def signed(relative: Estimate) -> str:
    """Return a relative difference as `+2.1 % [1.8, 2.4]`."""
    return f"{100 * relative.value:+.1f} % [{100 * relative.low:.1f}, {100 * relative.high:.1f}]"


def _training(log: Schooling | None) -> str:
    if log is None:
        return ""
    return (
        f"Trained policies learned from a log of {log.users:,} other people of the same world over the "
        f"{log.days} days before, who were messaged by the policy `random`."
    )
