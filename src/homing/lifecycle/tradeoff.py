"""Which weights keep the guardrails? Read off what the newest evaluation found of other weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import NormalDist
from typing import Final

from homing.evaluation import Guardrail
from homing.lifecycle.estimates import UTILITY
from homing.lifecycle.record import load_record
from homing.lifecycle.release import current_release
from homing.report.facts import (
    Facts,
    Named,
    ObjectiveValues,
    PointValue,
    TradeOffs,
    Values,
    WeightChoice,
    WeightPoint,
)
from homing.schema import Config, InputError, WorkspaceError
from homing.schema.errors import nearest
from homing.store import Workspace

_WORDS: Final = {
    "better": "is better than today's",
    "worse": "is worse than today's",
    "cannot_tell": "cannot be told from today's",
}


@dataclass(frozen=True)
class TradeOff:
    """What other weights would do, what the numbers mean, and the point that guardrails leave."""

    found: TradeOffs
    objectives: tuple[ObjectiveValues, ...]  # their meaning; the utility first
    choice: WeightChoice | None  # None: there is no guardrail


def tradeoff(workspace: Workspace, guardrails: Mapping[str, float] | None = None) -> TradeOff:
    """Return the trade-offs of the newest evaluation, and the best point that keeps the guardrails.

    Args:
        workspace: evaluated with its current release.
        guardrails: objective -> worst acceptable mean per decision, in the objective's unit; None: those of
            homing.toml.

    Raises:
        WorkspaceError: the current release has not been evaluated, or has fewer than two objectives with a
            weight.
        InputError: a guardrail is of no objective, or is not finite.
    """
    facts = evaluation_of_release(workspace)
    if facts.tradeoffs is None or facts.values is None:
        raise WorkspaceError(
            "the release has fewer than two objectives with a weight, so there is nothing to trade; set "
            "objectives.NAME.weight and run 'homing train' and 'homing evaluate'"
        )
    asked = configured_guardrails(workspace.config) if guardrails is None else dict(guardrails)
    choice = choose(facts.tradeoffs, facts.values.objectives, asked) if asked else None
    return TradeOff(replace(facts.tradeoffs, choice=choice), facts.values.objectives, choice)


def evaluation_of_release(workspace: Workspace) -> Facts:
    """Return what the newest evaluation found.

    Raises:
        WorkspaceError: there is none, or it is of another release than the current one.
    """
    facts, release = load_record(workspace, "evaluate"), current_release(workspace)
    if facts is None or facts.header.release != release:
        raise WorkspaceError(f"release {release} has not been evaluated; run 'homing evaluate'")
    return facts


def configured_guardrails(config: Config) -> dict[str, float]:
    """Return the guardrails of homing.toml."""
    return {
        name: objective.guardrail
        for name, objective in config.objectives.items()
        if objective.guardrail is not None
    }


def with_choice(found: TradeOffs | None, values: Values, config: Config) -> TradeOffs | None:
    """Return the trade-offs with the point that the guardrails of homing.toml leave."""
    asked = configured_guardrails(config)
    if found is None or not asked:
        return found
    return replace(found, choice=choose(found, values.objectives, asked))


def choose(
    found: TradeOffs, objectives: Sequence[ObjectiveValues], guardrails: Mapping[str, float]
) -> WeightChoice:
    """Return the point of the best utility among those that keep every guardrail with confidence.

    A point keeps a guardrail where the worst end of its interval does. These intervals hold for all points
    together; for g guardrails they are widened by `z(1 - a / 2g) / z(1 - a / 2)`, at least as much as
    Bonferroni asks for. So the chance that a point is chosen which breaks one is at most a. The utility is
    that of today's weights. Today's weights stay if they keep the guardrails and no point that does is better
    with confidence.

    Args:
        found: what other weights would do.
        objectives: their directions, by the same names.
        guardrails: objective -> worst acceptable mean.

    Raises:
        InputError: a guardrail is of no objective, or is not finite.
    """
    _check(objectives, guardrails)
    directions = {one.objective: one.direction for one in objectives}
    normal, tail = NormalDist(), (1 - found.confidence) / 2
    wider = normal.inv_cdf(1 - tail / len(guardrails)) / normal.inv_cdf(1 - tail)
    sound = [(name, point) for name, point in points_of(found) if not point.doubt]
    rails = [
        [_rail(value_of(point, name), limit, directions[name], wider) for name, limit in guardrails.items()]
        for _, point in sound
    ]
    kept = [
        point
        for point, mine in zip(sound, rails, strict=True)
        if all(rail.keeping == "kept" and rail.objective not in found.rare for rail in mine)
    ]
    total = len(list(points_of(found)))
    asked = tuple(Named(name, limit) for name, limit in guardrails.items())
    names = " and ".join(f"{name} {limit:g}" for name, limit in guardrails.items())
    if not kept:
        reasons = [
            f"{name} happened to too few users to know how often it would"
            if name in found.rare
            else _nearest_miss(name, [mine[place] for mine in rails])
            for place, name in enumerate(guardrails)
        ]
        sentence = f"None of {total} points keeps {names} with confidence: {'; '.join(reasons)}."
        return WeightChoice(asked, 0, total, sentence)
    name, point = _best(kept, objectives[0].objective)
    sentence = f"{len(kept)} of {total} points keep {names} with confidence; "
    if point.factor == 1:
        sentence += "today's weights do, and no other that does is better with confidence."
        return WeightChoice(asked, len(kept), total, sentence, factor=1.0)
    told = value_of(point, objectives[0].objective)
    sentence += (
        f"of these, {name} x {point.factor:g} has the best {told.objective}, which {_WORDS[told.judgement]}: "
        f"{told.change.value:+.3g} [{told.change.low:+.3g}, {told.change.high:+.3g}] per decision."
    )
    return WeightChoice(
        asked, len(kept), total, sentence, name, point.factor, point.weight, point.temperature
    )


def _check(objectives: Sequence[ObjectiveValues], guardrails: Mapping[str, float]) -> None:
    known = [one.objective for one in objectives if one.objective != UTILITY]
    for name, limit in guardrails.items():
        if name not in known:
            raise InputError(
                f"guardrail {name!r} is of no objective{nearest(name, known)}; there are {', '.join(known)}"
            )
        if not isfinite(limit):
            raise InputError(f"guardrail {name}={limit}, must be a finite number, as {name}=0.002")


def _best(kept: Sequence[tuple[str, WeightPoint]], utility: str) -> tuple[str, WeightPoint]:
    """Return the point of the best utility; today's, where it is one of them and none is known to be better."""
    better = [one for one in kept if value_of(one[1], utility).judgement == "better"]
    today = [one for one in kept if one[1].factor == 1]
    return max(better or today or kept, key=lambda one: value_of(one[1], utility).value.value)


def value_of(point: WeightPoint, objective: str) -> PointValue:
    """Return what a point makes of one objective."""
    return next(value for value in point.values if value.objective == objective)


def points_of(found: TradeOffs) -> Iterator[tuple[str, WeightPoint]]:
    """Yield every point with the objective whose weight it changes; that of today's weights first, once."""
    for place, sweep in enumerate(found.sweeps):
        for point in sorted(sweep.points, key=lambda one: one.factor != 1):
            if point.factor != 1 or place == 0:
                yield sweep.objective, point


def _rail(found: PointValue, limit: float, direction: str, wider: float) -> Guardrail:
    value = found.value.value
    low, high = (value + wider * (end - value) for end in (found.value.low, found.value.high))
    return Guardrail(found.objective, value, low, high, limit, "up" if direction == "up" else "down")


def _nearest_miss(name: str, rails: Sequence[Guardrail]) -> str:
    """Return how near the best point comes to a guardrail, in words."""
    known = [rail for rail in rails if isfinite(rail.low) and isfinite(rail.high)]
    if not known:
        return f"the log carries no estimate of {name}"
    up = known[0].direction == "up"
    best = max(rail.low for rail in known) if up else min(rail.high for rail in known)
    return f"intervals of {name} reach to {best:.4g} at best"
