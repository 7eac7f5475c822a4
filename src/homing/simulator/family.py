"""Worlds that nobody has looked at: `family:SEED` draws mechanisms and parameters from the ranges below."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np

from homing.schema import InputError
from homing.simulator.channels import KNOWN
from homing.simulator.mechanisms.conversion import Goal
from homing.simulator.spec import Belief, Domain, Generator, Spec

PREFIX: Final = "family:"
_NEEDED: Final[tuple[Belief, ...]] = ("informative", "loudness", "noise")  # in every world
_MORE: Final[tuple[Belief, ...]] = ("informative", "price_blind", "loudness", "noise")

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """Where a parameter is drawn from: uniformly, or uniformly in its logarithm."""

    path: str  # within Spec, or within each Domain
    low: float
    high: float
    log: bool = False
    source: str = "assumed"

    def draw(self, rng: np.random.Generator) -> float:
        """Return a number of the range."""
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))


PEOPLE: Final = (
    Range("people.intensity", 0.6, 2.5, log=True),
    Range("people.intensity_spread", 0.4, 1.0),
    Range("people.match", 0.2, 1.4),
    Range("people.match_spread", 0.3, 0.8),
    Range("people.taste_spread", 0.9, 1.8),
    Range("people.correlation", 0.0, 0.6),
    Range("people.free", 0.0, 2.5),
    Range("people.newcomers", 0.02, 0.15),
    Range("people.affinity_spread", 0.4, 1.0),
    Range("people.opt_in.push", -0.05, 0.25, source="about half of users opt in to push"),
    Range("people.opt_in.email", -0.3, 1.7),
    Range("opportunities", 1.0, 3.0, log=True),
)
MECHANISMS: Final = (
    Range("response.opening.base.push", -4.5, -3.9, source="direct opens of 1 to 14 % (published)"),
    Range("response.opening.base.email", -2.2, -1.3),
    Range("response.opening.base.in_app", -1.9, -1.1, source="opened several times as often as push"),
    Range("response.opening.relevance", 1.2, 3.0),
    Range("response.opening.appeal", 0.4, 2.2),
    Range("response.opening.moment.push", 0.2, 1.4),
    Range("response.opening.habit", 0.3, 2.0),
    Range("response.opening.staleness", 0.1, 0.7),
    Range("response.opening.readiness.push", 0.5, 2.0),
    Range("response.clicking.base.push", -0.6, 0.6),
    Range("response.clicking.quality", 0.0, 1.5),
    Range("response.worth.base", -0.4, 0.9),
    Range("response.worth.relevance", 1.5, 3.5),
    Range("response.worth.quality", 1.0, 3.5),
    Range("response.worth.appeal", -3.5, 0.0),
    Range("fatigue.penalty.push", 0.04, 0.22),
    Range("fatigue.penalty.email", 0.06, 0.18),
    Range("fatigue.half_life.push", 1.5, 7.0),
    Range("fatigue.half_life.email", 4.0, 10.0),
    Range("annoyance.cost.push", 0.004, 0.045, log=True),
    Range("annoyance.cost.email", 0.003, 0.020, log=True),
    Range("annoyance.cost.in_app", 0.004, 0.035, log=True),
    Range("annoyance.by_relevance", 0.4, 0.9),
    Range("annoyance.by_appeal", 0.2, 1.6),
    Range("opt_out.base.push", 0.0005, 0.0015),
    Range("opt_out.base.email", 0.0012, 0.0016, source="unsubscribes of 0.1 to 0.3 % a send"),
    Range("opt_out.by_fatigue", 0.10, 0.25),
    Range("habit.growth", 0.04, 0.18, log=True),
    Range("habit.discovery", 1.0, 1.8),
    Range("churn.leave", 0.02, 0.06),
    Range("churn.come_back", 0.001, 0.005),
    Range("displacement.probability", 0.4, 0.95),
    Range("length.median", 5.0, 30.0, log=True),
    Range("conversion.organic", 0.002, 0.03, log=True),
    Range("drift.taste", 0.0, 0.6),
    Range("drift.slow.push", -0.4, 0.2),
    Range("drift.sudden.push", -1.0, 0.4),
    Range("drift.sudden_day", 7, 50),
)
DOMAIN: Final = (
    Range("messages", 6, 24),
    Range("quality", 0.2, 0.8),
    Range("appeal", 0.3, 0.9),
    Range("urgency", 0.0, 1.0),
    Range("goal.rate", 0.02, 0.40, log=True),
    Range("goal.money", 0.1, 60.0, log=True),
    Range("goal.delay", 3.0, 2000.0, log=True),
    Range("generator.share", 0.08, 0.45),
    Range("generator.targeting", 0.0, 1.2),
    Range("generator.scale", 0.1, 500.0, log=True),
    Range("generator.missing", 0.0, 0.3),
)
#: Share of a growing habit that decay takes at the median user; gives `habit.decay`.
DECAY: Final = Range("habit.decay / (growth intensity match)", 0.3, 0.7)
TOPICS: Final = Range("number of topics", 4, 10)
DOMAINS: Final = Range("number of domains", 3, 6)
#: Mechanisms that a world lacks with this probability. What a published figure rests on always works.
OFF: Final = 0.12
SWITCHES: Final = (
    "response.opening.relevance_on",
    "response.opening.affinity_on",
    "response.opening.moment_on",
    "response.opening.staleness_on",
    "response.worth.on",
    "fatigue.on",
    "annoyance.on",
    "opt_in.on",
    "token_loss.on",
    "habit.on",
    "stages.on",
    "churn.on",
    "week.on",
    "displacement.on",
    "conversion.delayed_on",
)
DRIFT: Final = 0.5  # probability that drift is on


def family_seed(name: str) -> int:
    """Return the seed of `family:SEED`.

    Raises:
        InputError: SEED is not a whole number, or is negative.
    """
    text = name.removeprefix(PREFIX)
    if not (text.isascii() and text.isdigit()):
        raise InputError(f"world == {name!r}, must be {PREFIX!r} and a whole number >= 0, such as {PREFIX}7")
    return int(text)


def draw_spec(seed: int) -> Spec:
    """Return the world of a seed: the same on every machine."""
    rng = np.random.default_rng((seed, 20_251))
    topics = tuple(f"topic_{place}" for place in range(_whole(TOPICS, rng)))
    spec = Spec(name=f"{PREFIX}{seed}", topics=topics, domains=_domains(rng))
    for chosen in PEOPLE:
        spec = assign(spec, chosen.path, chosen.draw(rng))
    for chosen in MECHANISMS:
        spec = assign(spec, f"mechanisms.{chosen.path}", chosen.draw(rng))
    people, habit = spec.people, spec.mechanisms.habit
    match = 1.0 / (1.0 + np.exp(-people.match))
    spec = assign(spec, "mechanisms.habit.decay", DECAY.draw(rng) * habit.growth * people.intensity * match)
    spec = assign(spec, "people.rhythms", tuple(np.exp(0.6 * rng.standard_normal(5)).tolist()))
    spec = assign(spec, "people.regions", tuple(np.exp(0.5 * rng.standard_normal(3)).tolist()))
    for switch in SWITCHES:
        spec = assign(spec, f"mechanisms.{switch}", bool(rng.random() >= OFF))
    return assign(spec, "mechanisms.drift.on", bool(rng.random() < DRIFT))


def _domains(rng: np.random.Generator) -> tuple[Domain, ...]:
    count = _whole(DOMAINS, rng)
    beliefs = [*_NEEDED, *(_MORE[place] for place in rng.integers(0, len(_MORE), count - len(_NEEDED)))]
    domains = []
    for place, belief in enumerate(beliefs):
        letter = chr(ord("a") + place)
        shortest = rng.uniform(0.8, 3.0)
        windows = rng.random() < 0.5
        domain = Domain(
            name=f"domain_{letter}",
            short=letter * 3,
            messages=1,
            categories=tuple(f"kind_{kind}" for kind in range(1 + int(rng.integers(0, 4)))),
            quality=0.5,
            appeal=0.5,
            goal=Goal(rate=0.1, money=1.0, delay=10.0, priced=bool(rng.random() < 0.4)),
            generator=Generator(1.0, 0.0, (shortest, shortest * rng.uniform(1.0, 3.0)), belief),
            channels=_shown(rng),
            valid_days=int(rng.integers(2, 31)) if windows else 0,
            alive=int(rng.integers(3, 10)) if windows else 0,
            once=place == count - 1 and bool(rng.random() < 0.5),
        )
        for chosen in DOMAIN:
            value = chosen.draw(rng)
            domain = assign(domain, chosen.path, round(value) if chosen.path == "messages" else value)
        domains.append(domain)
    return tuple(domains)


def _shown(rng: np.random.Generator) -> tuple[str, ...]:
    """Return all channels, or all but one."""
    left_out = int(rng.integers(0, 2 * len(KNOWN)))
    return tuple(name for place, name in enumerate(KNOWN) if place != left_out)


def _whole(chosen: Range, rng: np.random.Generator) -> int:
    return int(rng.integers(int(chosen.low), int(chosen.high) + 1))


def assign(record: T, path: str, value: Any) -> T:
    """Return a frozen dataclass with one field, however deep, set to a value.

    Args:
        record: the dataclass.
        path: names of fields, joined by dots.
        value: what it becomes; rounded where the field is a whole number.

    Raises:
        InputError: there is no such field.
    """
    name, _, rest = path.partition(".")
    if not is_dataclass(record) or name not in {field.name for field in fields(record)}:
        raise InputError(f"{type(record).__name__} has no field {name!r}; see homing.simulator.spec")
    old = getattr(record, name)
    if rest:
        value = assign(old, rest, value)
    elif type(old) is int:
        value = round(value)
    return replace(record, **{name: value})  # type: ignore[type-var]
