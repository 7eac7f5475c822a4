"""A fitness app that does not stay as it was: tastes turn, pushes slowly work less, and one day much less."""

from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.mechanisms.conversion import Conversion, Goal
from homing.simulator.mechanisms.drift import Drift
from homing.simulator.mechanisms.fatigue import Annoyance, Fatigue, OptOut
from homing.simulator.mechanisms.habit import Churn, Habit
from homing.simulator.mechanisms.response import Clicking, Opening, ResponseModel, Worth
from homing.simulator.mechanisms.visits import Length, Week
from homing.simulator.spec import Domain, Generator, People, Spec

DRIFTING = Spec(
    name="drifting",
    topics=("running", "strength", "yoga", "cycling", "swimming", "food", "sleep"),
    domains=(
        Domain(
            name="workouts",
            short="wor",
            messages=20,
            categories=("plan", "quick", "outdoor"),
            quality=0.65,
            appeal=0.45,
            goal=Goal(rate=0.30, money=0.2, delay=45.0),
            generator=Generator(0.35, 0.9, (1.0, 2.0), "informative", scale=100.0),
        ),
        Domain(
            name="challenges",
            short="cha",
            messages=12,
            categories=("monthly", "friends"),
            quality=0.50,
            appeal=0.70,
            goal=Goal(rate=0.15, money=0.4, delay=120.0),
            generator=Generator(0.25, 0.2, (2.0, 4.0), "loudness", scale=20.0),
            channels=("push", "in_app"),
            valid_days=30,
            alive=5,
            urgency=0.3,
        ),
        Domain(
            name="articles",
            short="art",
            messages=14,
            categories=("nutrition", "recovery"),
            quality=0.55,
            appeal=0.35,
            goal=Goal(rate=0.10, money=0.1, delay=15.0),
            generator=Generator(0.20, 0.7, (3.0, 6.0), "informative", missing=0.4),
            channels=("email", "in_app"),
        ),
        Domain(
            name="gear",
            short="gea",
            messages=8,
            categories=("shoes", "clothes"),
            quality=0.40,
            appeal=0.60,
            goal=Goal(rate=0.04, money=80.0, delay=1500.0, priced=True),
            generator=Generator(0.12, 0.4, (2.0, 5.0), "price_blind", scale=240.0),
            channels=("push", "email"),
        ),
        Domain(
            name="coach",
            short="coa",
            messages=4,
            categories=("trial", "yearly"),
            quality=0.40,
            appeal=0.80,
            goal=Goal(rate=0.05, money=14.99, delay=1500.0, priced=True),
            generator=Generator(0.08, 0.0, (1.0, 3.0), "noise", scale=0.1),
            once=True,
        ),
    ),
    people=People(
        intensity=0.9,
        intensity_spread=0.7,
        match=0.9,
        taste_spread=1.4,
        correlation=0.25,
        free=1.0,
        newcomers=0.10,
        newcomer_habit=0.45,
        devices=(0.50, 0.45, 0.05),
        regions=(1.0, 1.3, 0.7),
        rhythms=(1.6, 0.6, 1.4, 0.3, 1.0),
        activity="workouts_done",
        opt_in=ByChannel(push=0.2, email=1.2, in_app=3.5),
    ),
    mechanisms=Mechanisms(
        response=ResponseModel(
            opening=Opening(
                base=ByChannel(push=-4.0, email=-1.8, in_app=-1.6),
                relevance=2.4,
                appeal=1.2,
                moment=ByChannel(push=0.9, email=0.4, in_app=0.0),
                habit=1.2,
            ),
            clicking=Clicking(base=ByChannel(push=-0.2, email=-1.9, in_app=-0.8)),
            worth=Worth(base=0.3, relevance=3.0, quality=2.5, appeal=-2.0),
        ),
        fatigue=Fatigue(
            penalty=ByChannel(push=0.14, email=0.12, in_app=0.10),
            half_life=ByChannel(push=4.0, email=7.0, in_app=2.0),
        ),
        annoyance=Annoyance(cost=ByChannel(push=0.024, email=0.010, in_app=0.012)),
        opt_out=OptOut(base=ByChannel(push=0.0009, email=0.0015, in_app=0.0002)),
        habit=Habit(growth=0.11, discovery=1.5, decay=0.05),
        churn=Churn(leave=0.04, scale=0.07, come_back=0.003, habit_after=0.2),
        week=Week(factor=(1.15, 1.08, 1.05, 1.0, 0.85, 0.90, 0.97)),
        length=Length(median=30.0, spread=0.6),
        conversion=Conversion(organic=0.004, organic_money=14.99),
        drift=Drift(
            taste=0.5,
            slow=ByChannel(push=-0.25, email=0.10, in_app=0.0),
            sudden_day=24,
            sudden=ByChannel(push=-0.9, email=0.3, in_app=0.0),
        ),
    ),
    opportunities=1.4,
)
