"""A learning app: a fast habit, daily reminders that fit the moment and are mostly worth it."""

from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.mechanisms.conversion import Conversion, Goal
from homing.simulator.mechanisms.fatigue import Annoyance, Fatigue, OptOut
from homing.simulator.mechanisms.habit import Churn, Habit
from homing.simulator.mechanisms.response import Clicking, Opening, ResponseModel, Worth
from homing.simulator.mechanisms.visits import Displacement, Length, Week
from homing.simulator.spec import Domain, Generator, People, Spec

LEARNING = Spec(
    name="learning",
    topics=("spanish", "english", "french", "maths", "music", "coding"),
    domains=(
        Domain(
            name="lessons",
            short="les",
            messages=16,
            categories=("streak", "review", "next_unit", "goal"),
            quality=0.75,
            appeal=0.50,
            goal=Goal(rate=0.45, money=0.2, delay=8.0),
            generator=Generator(0.45, 1.2, (0.8, 1.5), "informative", scale=10.0),
            channels=("push", "in_app"),
        ),
        Domain(
            name="progress",
            short="pro",
            messages=8,
            categories=("weekly_report", "milestone"),
            quality=0.65,
            appeal=0.45,
            goal=Goal(rate=0.25, money=0.2, delay=20.0),
            generator=Generator(0.15, 0.8, (2.0, 5.0), "informative", missing=0.3),
        ),
        Domain(
            name="friends",
            short="fri",
            messages=12,
            categories=("overtaken", "invitation", "league"),
            quality=0.50,
            appeal=0.70,
            goal=Goal(rate=0.20, money=0.2, delay=15.0),
            generator=Generator(0.25, 0.2, (1.0, 2.0), "loudness", scale=50.0),
            channels=("push", "in_app"),
        ),
        Domain(
            name="courses",
            short="cou",
            messages=8,
            categories=("paid_course", "exam"),
            quality=0.50,
            appeal=0.50,
            goal=Goal(rate=0.03, money=60.0, delay=2000.0, priced=True),
            generator=Generator(0.08, 0.6, (3.0, 6.0), "price_blind", scale=180.0),
            channels=("email", "in_app"),
            valid_days=30,
            alive=3,
            urgency=0.2,
        ),
        Domain(
            name="plus",
            short="plu",
            messages=4,
            categories=("trial", "family"),
            quality=0.35,
            appeal=0.75,
            goal=Goal(rate=0.04, money=6.99, delay=1500.0, priced=True),
            generator=Generator(0.07, 0.0, (2.0, 4.0), "noise"),
            once=True,
        ),
    ),
    people=People(
        intensity=1.0,
        intensity_spread=0.4,
        match=1.4,
        match_spread=0.6,
        taste_spread=1.8,
        free=2.0,
        newcomers=0.15,
        newcomer_habit=0.5,
        devices=(0.45, 0.50, 0.05),
        regions=(0.8, 1.1, 1.3),
        rhythms=(1.0, 0.3, 2.0, 1.0, 0.4),
        activity="lessons_done",
        opt_in=ByChannel(push=0.1, email=1.0, in_app=3.8),
        affinity_spread=0.6,
    ),
    mechanisms=Mechanisms(
        response=ResponseModel(
            opening=Opening(
                base=ByChannel(push=-5.3, email=-1.7, in_app=-0.7),
                relevance=1.8,
                appeal=0.8,
                moment=ByChannel(push=1.4, email=0.3, in_app=0.0),
                habit=2.5,
                readiness=ByChannel(push=4.0, email=0.0, in_app=0.0),
            ),
            clicking=Clicking(base=ByChannel(push=0.2, email=-1.8, in_app=-0.6)),
            worth=Worth(base=0.9, relevance=2.0, quality=2.5, appeal=-1.0),
        ),
        fatigue=Fatigue(
            penalty=ByChannel(push=0.06, email=0.12, in_app=0.05),
            half_life=ByChannel(push=2.0, email=7.0, in_app=1.0),
        ),
        annoyance=Annoyance(cost=ByChannel(push=0.006, email=0.006, in_app=0.005), by_fatigue=0.2),
        opt_out=OptOut(base=ByChannel(push=0.0006, email=0.0017, in_app=0.0001), by_fatigue=0.2),
        habit=Habit(growth=0.16, discovery=1.3, decay=0.08),
        churn=Churn(leave=0.05, scale=0.06, come_back=0.004, habit_after=0.3),
        week=Week(factor=(1.05, 1.04, 1.03, 1.0, 0.95, 0.93, 1.0)),
        displacement=Displacement(probability=0.9),
        length=Length(median=9.0, spread=0.6, caused=0.9),
        conversion=Conversion(organic=0.004, organic_money=6.99),
    ),
    opportunities=1.5,
)
