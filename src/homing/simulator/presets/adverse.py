"""A games app whose messages are built to be opened: loud, worth little, and tiring. Silence is better."""

from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.mechanisms.conversion import Conversion, Goal
from homing.simulator.mechanisms.fatigue import Annoyance, Fatigue, OptOut
from homing.simulator.mechanisms.habit import Churn, Habit
from homing.simulator.mechanisms.response import Clicking, Opening, ResponseModel, Worth
from homing.simulator.mechanisms.visits import Displacement, Length, Week
from homing.simulator.spec import Domain, Generator, People, Spec

ADVERSE = Spec(
    name="adverse",
    topics=("puzzle", "cards", "racing", "strategy", "words"),
    domains=(
        Domain(
            name="rewards",
            short="rew",
            messages=16,
            categories=("wheel", "chest", "double"),
            quality=0.20,
            appeal=0.90,
            goal=Goal(rate=0.05, money=2.0, delay=10.0),
            generator=Generator(0.40, 0.0, (0.8, 2.0), "loudness", scale=500.0),
        ),
        Domain(
            name="threats",
            short="thr",
            messages=10,
            categories=("energy", "attack"),
            quality=0.25,
            appeal=0.85,
            goal=Goal(rate=0.05, money=1.0, delay=5.0),
            generator=Generator(0.25, 0.2, (0.8, 1.5), "loudness", scale=300.0),
            channels=("push", "in_app"),
        ),
        Domain(
            name="levels",
            short="lev",
            messages=10,
            categories=("new_level", "season"),
            quality=0.65,
            appeal=0.40,
            goal=Goal(rate=0.12, money=0.5, delay=20.0),
            generator=Generator(0.20, 0.8, (2.0, 4.0), "informative", scale=5.0),
            valid_days=21,
            alive=4,
            urgency=0.4,
        ),
        Domain(
            name="bundles",
            short="bun",
            messages=8,
            categories=("starter", "mega"),
            quality=0.20,
            appeal=0.90,
            goal=Goal(rate=0.02, money=15.0, delay=300.0, priced=True),
            generator=Generator(0.15, 0.0, (1.0, 2.0), "noise", scale=20.0),
        ),
    ),
    people=People(
        intensity=1.3,
        intensity_spread=0.9,
        match=0.8,
        match_spread=0.7,
        taste_spread=1.0,
        correlation=0.4,
        free=3.0,
        newcomers=0.10,
        newcomer_habit=0.4,
        devices=(0.35, 0.60, 0.05),
        regions=(0.6, 1.0, 2.0),
        rhythms=(0.8, 0.4, 1.2, 1.8, 0.8),
        activity="levels_played",
        opt_in=ByChannel(push=0.0, email=-0.3, in_app=3.5),
    ),
    mechanisms=Mechanisms(
        response=ResponseModel(
            opening=Opening(
                base=ByChannel(push=-4.5, email=-2.2, in_app=-1.7),
                relevance=1.6,
                appeal=2.4,
                moment=ByChannel(push=0.5, email=0.3, in_app=0.0),
            ),
            clicking=Clicking(base=ByChannel(push=0.5, email=-1.4, in_app=-0.3), quality=0.4),
            worth=Worth(base=-0.4, relevance=2.5, quality=2.5, appeal=-3.0),
        ),
        fatigue=Fatigue(
            penalty=ByChannel(push=0.06, email=0.08, in_app=0.05),
            half_life=ByChannel(push=5.0, email=8.0, in_app=3.0),
        ),
        annoyance=Annoyance(
            cost=ByChannel(push=0.040, email=0.020, in_app=0.035),
            by_fatigue=0.3,
            by_relevance=0.6,
            by_appeal=1.5,
        ),
        opt_out=OptOut(
            base=ByChannel(push=0.0012, email=0.0010, in_app=0.0003), by_fatigue=0.15, by_appeal=1.0
        ),
        habit=Habit(growth=0.07, discovery=1.0, decay=0.035),
        churn=Churn(leave=0.05, scale=0.07, come_back=0.002, habit_after=0.12),
        week=Week(factor=(0.95, 0.95, 0.96, 0.98, 1.03, 1.08, 1.05)),
        displacement=Displacement(probability=0.85),
        length=Length(median=14.0, spread=0.8, caused=0.5),
        conversion=Conversion(organic=0.006, organic_money=4.0),
    ),
    opportunities=1.8,
)
