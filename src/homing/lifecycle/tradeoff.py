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
    "do_not_trust": "cannot be compared with today's, since the log hardly covers that",
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
            "there is nothing to trade: the release has fewer than two objectives with a weight, or no "
            "held-out decision has all of its outcomes yet; set objectives.NAME.weight, or ingest later "
            "events, and run 'homing train' and 'homing evaluate'"
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
    together; for g guardrails they are widened by `z(1 - a / 2g) / z(1 - a / 2)`, no less than Bonferroni
    asks of the largest of normal errors. So the chance that a point is chosen which breaks one is at most a.

    The best is the surest: that whose change of the utility, by today's weights, has the highest lower end. A
    point far from today's is known less well and has to bring more; today's changes nothing, so it stays
    wherever it keeps the guardrails and no other that does is better with confidence.

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
    choice = WeightChoice(
        tuple(Named(name, limit) for name, limit in guardrails.items()),
        len(kept),
        len(list(points_of(found))),
        " and ".join(f"{name} {limit:g}" for name, limit in guardrails.items()),
    )
    if not kept:
        return _none(choice, found.rare, rails)
    return _picked(choice, kept, objectives[0].objective)


def _none(choice: WeightChoice, rare: Sequence[str], rails: Sequence[Sequence[Guardrail]]) -> WeightChoice:
    """Return that no point keeps the guardrails, and how near the best comes; `rails` are by point."""
    reasons = [
        f"{one.name} happened to too few users to know how often it would"
        if one.name in rare
        else _nearest_miss(one.name, [mine[place] for mine in rails])
        for place, one in enumerate(choice.guardrails)
    ]
    sentence = f"None of {choice.points} points keeps {choice.sentence} with confidence: "
    return replace(choice, sentence=f"{sentence}{'; '.join(reasons)}.")


def _picked(choice: WeightChoice, kept: Sequence[tuple[str, WeightPoint]], utility: str) -> WeightChoice:
    name, point = max(kept, key=lambda one: _surety(one[1], utility))
    sentence = f"{len(kept)} of {choice.points} points keep {choice.sentence} with confidence; "
    if point.factor == 1:
        sentence += "today's weights do, and none of the others is better with confidence."
        return replace(choice, sentence=sentence, factor=1.0)
    told = value_of(point, utility)
    sentence += f"of these, {name} x {point.factor:g} has the surest {utility}, "
    sentence += f"which {_WORDS[told.judgement]}"
    if isfinite(told.change.low):
        bounds = f"[{told.change.low:+.3g}, {told.change.high:+.3g}]"
        sentence += f": {told.change.value:+.3g} {bounds} per decision"
    return replace(
        choice,
        sentence=f"{sentence}.",
        objective=name,
        factor=point.factor,
        weight=point.weight,
        temperature=point.temperature,
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


def _surety(point: WeightPoint, utility: str) -> float:
    """Return the worst that a point may do to the utility, by its change from today's weights if known."""
    told = value_of(point, utility)
    return told.change.low if isfinite(told.change.low) else told.value.low


def value_of(point: WeightPoint, objective: str) -> PointValue:
    """Return what a point makes of one objective."""
    return next(value for value in point.values if value.objective == objective)


def points_of(found: TradeOffs) -> Iterator[tuple[str, WeightPoint]]:
    """Yield every point with the objective whose weight it changes; today's first, and once."""
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
