"""Music streaming: much to hear, some of it worth it; a loud premium offer."""

from homing.simulator.mechanisms.conversion import Goal
from homing.simulator.spec import Domain, Generator, Spec

STREAMING = Spec(
    name="streaming",
    topics=("pop", "rock", "hiphop", "electronic", "jazz", "classical", "folk", "talk"),
    domains=(
        Domain(
            name="new_releases",
            short="new",
            messages=18,
            categories=("album", "single", "followed_artist"),
            quality=0.60,
            appeal=0.55,
            goal=Goal(rate=0.16, money=0.5, delay=4.0),
            generator=Generator(0.30, 1.0, (1.5, 4.0), "informative", scale=30.0),
            valid_days=21,
            urgency=0.5,
        ),
        Domain(
            name="podcasts",
            short="pod",
            messages=14,
            categories=("episode", "new_show", "series"),
            quality=0.55,
            appeal=0.45,
            goal=Goal(rate=0.18, money=0.8, delay=10.0),
            generator=Generator(0.22, 0.6, (2.0, 5.0), "loudness"),
        ),
        Domain(
            name="playlists",
            short="pla",
            messages=14,
            categories=("weekly_mix", "mood", "charts"),
            quality=0.65,
            appeal=0.40,
            goal=Goal(rate=0.20, money=0.3, delay=5.0),
            generator=Generator(0.24, 1.0, (1.0, 3.0), "informative", missing=0.2),
            channels=("push", "in_app"),
        ),
        Domain(
            name="concerts",
            short="con",
            messages=8,
            categories=("nearby", "tour"),
            quality=0.50,
            appeal=0.60,
            goal=Goal(rate=0.05, money=45.0, delay=600.0, priced=True),
            generator=Generator(0.14, 0.3, (2.0, 4.0), "price_blind", scale=135.0),
            channels=("push", "email"),
            valid_days=28,
            urgency=0.3,
        ),
        Domain(
            name="premium",
            short="pre",
            messages=6,
            categories=("trial", "last_chance"),
            quality=0.35,
            appeal=0.85,
            goal=Goal(rate=0.06, money=9.99, delay=1200.0, priced=True),
            generator=Generator(0.10, 0.0, (1.0, 3.0), "noise"),
            once=True,
        ),
    ),
)
