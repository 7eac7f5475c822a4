"""A world as numbers: its people, its messages and their generators, and its mechanisms.

A preset is a `Spec`; `dataclasses.replace` makes another world of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from homing.schema import InputError
from homing.simulator.channels import KNOWN, ByChannel
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.mechanisms.conversion import Goal

#: How a generator's domain value hangs together with what the message is worth to the user.
#: informative: follows relevance; loudness: follows appeal and activity, not fit; price_blind: money,
#: follows relevance but not what the user would pay, and far too high; noise: nothing.
Belief = Literal["informative", "loudness", "price_blind", "noise"]


@dataclass(frozen=True)
class Generator:
    """Upstream code that makes a domain's opportunities. Assumed."""

    share: float  # of all opportunities
    targeting: float  # weight of relevance in its choice of a message, against luck
    life: tuple[float, float]  # days that an opportunity lives: shortest, longest
    belief: Belief
    scale: float = 1.0  # of the domain value, in the domain's own unit
    missing: float = 0.0  # share of the values that are missing


@dataclass(frozen=True)
class Domain:
    """One domain of messages. Counts, quality, appeal and urgency are assumed."""

    name: str
    short: str  # in message ids
    messages: int  # in the period
    categories: tuple[str, ...]
    quality: float  # mean of what the message leads to, in [0, 1]
    appeal: float  # mean of how loud it is, in [0, 1]
    goal: Goal
    generator: Generator
    channels: tuple[str, ...] = KNOWN
    valid_days: int = 0  # 0: for ever
    alive: int = 0  # messages valid at once, at least: a longer period has more of them
    urgency: float = 0.0  # in [0, 1]: how fast it goes stale after `valid_from`
    once: bool = False  # a conversion is a subscription: made once, and only free users are offered it

    def count(self, days: int) -> int:
        """Return how many messages a period of so many days has."""
        if not self.valid_days:
            return self.messages
        return max(self.messages, math.ceil(self.alive * (days + self.valid_days) / self.valid_days))


@dataclass(frozen=True)
class People:
    """What users are drawn from. Published: about half of users opt in to push. All else is assumed."""

    intensity: float = 1.5  # visits a day at full habit: median
    intensity_spread: float = 0.7  # sigma of the log
    match: float = 0.7  # logit of the probability that a visit by oneself is worth it: median
    match_spread: float = 0.6
    taste_spread: float = 1.3  # sigma of the log of each topic's weight before it is scaled
    correlation: float = 0.3  # of activity with the match of content, and with being less sensitive to prices
    free: float = 0.5  # logit of being on the free plan
    newcomers: float = 0.05  # share who sign up during the period
    newcomer_habit: float = 0.35
    devices: tuple[float, float, float] = (0.38, 0.47, 0.15)  # shares of iOS, Android, web
    regions: tuple[float, float, float] = (1.0, 1.0, 1.0)  # weight of Europe, the Americas, elsewhere
    rhythms: tuple[float, ...] = (1.0,) * 5  # weight of commuters, workers, evening, night and day people
    activity: str = "library_size"  # what the feature that follows activity is called
    opt_in: ByChannel = field(default=ByChannel(push=0.05, email=1.3, in_app=3.5))  # logit
    opt_in_by_habit: ByChannel = field(default=ByChannel(push=1.6, email=0.8, in_app=0.5))  # centred at 0.45
    opted_out_before: float = 0.04  # share of opt-ins that ended before the period
    affinity_spread: float = 0.7  # of the logit offset by channel


@dataclass(frozen=True)
class Spec:
    """All numbers of a world."""

    name: str
    topics: tuple[str, ...]
    domains: tuple[Domain, ...]
    people: People = field(default_factory=People)
    mechanisms: Mechanisms = field(default_factory=Mechanisms)
    opportunities: float = 1.35  # that generators try to make a user and day

    def __post_init__(self) -> None:
        """Check the numbers that no world can be made of; all that are wrong come at once.

        Raises:
            InputError: no topics or domains, two domains of one name, wrong shares, and the like.
        """
        wrong = [
            f"{self.name}: {name} == {value!r}, must be {rule}"
            for name, value, rule, right in (*_rules(self), *_people_rules(self.people))
            if not right
        ]
        if wrong:
            raise InputError("; ".join(wrong))

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of all categories, domain by domain."""
        return tuple(f"{domain.name}/{name}" for domain in self.domains for name in domain.categories)

    @property
    def generators(self) -> tuple[str, ...]:
        """Names of the generators, one a domain."""
        return tuple(f"{domain.name}_generator" for domain in self.domains)


_Rule = tuple[str, object, str, bool]


def _rules(spec: Spec) -> list[_Rule]:
    names = [domain.name for domain in spec.domains]
    shorts = [domain.short for domain in spec.domains]
    rules: list[_Rule] = [
        ("topics", spec.topics, "two or more different ones", len(set(spec.topics)) == len(spec.topics) > 1),
        ("domains", names, "one or more different names", len(set(names)) == len(names) > 0),
        ("domains", shorts, "different shorts", len(set(shorts)) == len(shorts)),
        ("opportunities", spec.opportunities, "> 0", spec.opportunities > 0),
    ]
    for domain in spec.domains:
        made, where = domain.generator, f"domains.{domain.name}"
        kinds = domain.categories
        rules += [
            (f"{where}.messages", domain.messages, "> 0", domain.messages > 0),
            (f"{where}.categories", kinds, "one or more different ones", len(set(kinds)) == len(kinds) > 0),
            (f"{where}.valid_days", domain.valid_days, ">= 0", domain.valid_days >= 0),
            (f"{where}.generator.share", made.share, "> 0", made.share > 0),
            (
                f"{where}.generator.life",
                made.life,
                "0 < shortest <= longest",
                0 < made.life[0] <= made.life[1],
            ),
            *(
                (f"{where}.{name}", value, "in [0, 1]", 0 <= value <= 1)
                for name, value in (
                    ("quality", domain.quality),
                    ("appeal", domain.appeal),
                    ("urgency", domain.urgency),
                    ("goal.rate", domain.goal.rate),
                    ("generator.missing", made.missing),
                )
            ),
        ]
    return rules


def _people_rules(people: People) -> list[_Rule]:
    positive = [("intensity", (people.intensity,)), ("devices", people.devices), ("regions", people.regions)]
    return [
        ("people.correlation", people.correlation, "in (-1, 1)", -1 < people.correlation < 1),
        ("people.newcomers", people.newcomers, "in [0, 1]", 0 <= people.newcomers <= 1),
        (
            "people.rhythms",
            people.rhythms,
            "five numbers > 0",
            len(people.rhythms) == 5 and min(people.rhythms) > 0,
        ),
        *((f"people.{name}", values, "> 0", min(values) > 0) for name, values in positive),
    ]
