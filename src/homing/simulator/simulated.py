"""The worlds that a `Spec` describes: habit, fatigue, displacement, opt-outs, and messages of mixed worth."""

from __future__ import annotations

from homing.schema import Vocabularies, Vocabulary
from homing.simulator.catalogue import TONES, build_catalogue
from homing.simulator.day import simulate_day
from homing.simulator.latents import Reach, State
from homing.simulator.log import Block
from homing.simulator.opportunities import build_opportunities, opportunity_ids
from homing.simulator.population import (
    ZONES,
    build_population,
    numeric_names,
    rhythm_table,
    vocabularies,
    zone_offsets,
)
from homing.simulator.scenery import Scenery
from homing.simulator.sending import Sending, nothing
from homing.simulator.setting import Setting
from homing.simulator.setup import Setup
from homing.simulator.spec import Spec
from homing.simulator.world import World


class SimulatedWorld(World):
    """A world made from numbers. What it knows of its people stays in here."""

    def __init__(self, spec: Spec, setup: Setup) -> None:
        """Make the people, the messages and the opportunities."""
        catalogue = build_catalogue(spec, setup)
        people = build_population(spec, setup)
        generated = build_opportunities(spec, setup, people.traits, people.mood.free_plan, catalogue)
        words = Vocabularies(
            channels=Vocabulary(setup.channels),
            zones=Vocabulary(tuple(name for name, _, _ in ZONES)),
            messages=catalogue.vocabulary,
            domains=Vocabulary(tuple(domain.name for domain in spec.domains)),
            categories=Vocabulary(spec.categories),
            generators=Vocabulary(spec.generators),
            numeric={
                "users": numeric_names(spec.people),
                "messages": (*(f"x_topic[{place}]" for place in range(len(spec.topics))), "x_quality"),
                "opportunities": (),
            },
            categorical={
                "users": vocabularies(spec.topics),
                "messages": {"x_tone": Vocabulary(TONES)},
                "opportunities": {},
            },
        )
        super().__init__(
            setup,
            Scenery(
                vocabularies=words,
                users=people.users,
                messages=catalogue.messages,
                opportunities=generated.opportunities,
                opportunity_ids=opportunity_ids(setup, generated.number),
                reach=people.mood.reach,
            ),
        )
        self._setting = Setting(
            spec=spec,
            luck=setup.luck,
            start=setup.start,
            channels=setup.channels,
            catalogue=catalogue,
            traits=people.traits,
            zone=people.users.zone,
            offsets=zone_offsets(setup.start, setup.days),
            rhythm=rhythm_table(),
        )
        self._state = State(people.mood, nothing())

    def live(self, day: int, sending: Sending) -> tuple[list[Block], Reach]:
        """Return a day's events, and who can be reached after it."""
        self._state, blocks = simulate_day(self._setting, self._state, day, sending)
        return blocks, self._state.mood.reach
