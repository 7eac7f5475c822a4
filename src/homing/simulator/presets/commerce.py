"""An online shop: visits are rare, e-mail carries most, purchases come days later; campaigns shout."""

from homing.simulator.channels import ByChannel
from homing.simulator.mechanisms import Mechanisms
from homing.simulator.mechanisms.conversion import Conversion, Goal
from homing.simulator.mechanisms.fatigue import Annoyance, Fatigue, OptOut
from homing.simulator.mechanisms.habit import Churn, Habit
from homing.simulator.mechanisms.response import Clicking, Opening, ResponseModel
from homing.simulator.mechanisms.visits import Length, Week
from homing.simulator.spec import Domain, Generator, People, Spec

COMMERCE = Spec(
    name="commerce",
    topics=(
        "fashion",
        "shoes",
        "home",
        "electronics",
        "beauty",
        "sports",
        "toys",
        "garden",
        "grocery",
        "books",
    ),
    domains=(
        Domain(
            name="price_drops",
            short="pri",
            messages=24,
            categories=("wishlist", "similar", "basket"),
            quality=0.65,
            appeal=0.55,
            goal=Goal(rate=0.10, money=35.0, delay=240.0, priced=True),
            generator=Generator(0.25, 1.0, (1.0, 3.0), "informative", scale=40.0),
            valid_days=14,
            alive=8,
            urgency=0.7,
        ),
        Domain(
            name="recommendations",
            short="rec",
            messages=24,
            categories=("for_you", "new_in", "complete_the_look"),
            quality=0.60,
            appeal=0.40,
            goal=Goal(rate=0.05, money=48.0, delay=1440.0),
            generator=Generator(0.30, 0.8, (3.0, 7.0), "informative", scale=10.0, missing=0.15),
        ),
        Domain(
            name="campaigns",
            short="cam",
            messages=12,
            categories=("sale", "last_day", "season"),
            quality=0.35,
            appeal=0.80,
            goal=Goal(rate=0.06, money=40.0, delay=600.0, priced=True),
            generator=Generator(0.25, 0.0, (1.0, 3.0), "loudness", scale=100.0),
            valid_days=7,
            alive=3,
            urgency=0.8,
        ),
        Domain(
            name="brands",
            short="bra",
            messages=10,
            categories=("sponsored", "launch"),
            quality=0.45,
            appeal=0.60,
            goal=Goal(rate=0.03, money=70.0, delay=2000.0, priced=True),
            generator=Generator(0.12, 0.3, (3.0, 6.0), "price_blind", scale=210.0),
            channels=("email", "in_app"),
        ),
        Domain(
            name="club",
            short="clu",
            messages=4,
            categories=("points", "join"),
            quality=0.45,
            appeal=0.65,
            goal=Goal(rate=0.05, money=39.0, delay=1440.0, priced=True),
            generator=Generator(0.08, 0.0, (4.0, 9.0), "noise", scale=5.0),
            once=True,
        ),
    ),
    people=People(
        intensity=0.65,
        intensity_spread=0.8,
        match=0.5,
        taste_spread=1.5,
        correlation=0.35,
        free=1.2,
        newcomers=0.08,
        newcomer_habit=0.3,
        devices=(0.42, 0.40, 0.18),
        regions=(1.4, 0.8, 0.7),
        rhythms=(0.5, 1.0, 1.6, 0.6, 1.4),
        activity="orders",
        opt_in=ByChannel(push=0.1, email=1.7, in_app=3.5),
        affinity_spread=0.6,
    ),
    mechanisms=Mechanisms(
        response=ResponseModel(
            opening=Opening(
                base=ByChannel(push=-4.4, email=-1.6, in_app=-2.2),
                appeal=1.6,
                moment=ByChannel(push=0.5, email=0.5, in_app=0.0),
            ),
            clicking=Clicking(base=ByChannel(push=-0.5, email=-1.8, in_app=-1.0), quality=0.6),
        ),
        fatigue=Fatigue(
            penalty=ByChannel(push=0.18, email=0.10, in_app=0.12),
            half_life=ByChannel(push=6.0, email=9.0, in_app=3.0),
        ),
        annoyance=Annoyance(cost=ByChannel(push=0.026, email=0.010, in_app=0.012), by_appeal=1.2),
        opt_out=OptOut(base=ByChannel(push=0.0010, email=0.0014, in_app=0.0002), by_fatigue=0.22),
        habit=Habit(growth=0.10, discovery=1.5, decay=0.020),
        churn=Churn(leave=0.02, scale=0.07, come_back=0.003, habit_after=0.12),
        week=Week(factor=(1.0, 0.96, 0.95, 0.98, 1.0, 1.05, 1.12)),
        length=Length(median=11.0, spread=0.9),
        conversion=Conversion(organic=0.025, organic_money=42.0, price=0.9),
    ),
    opportunities=1.0,
)
