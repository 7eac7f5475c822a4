"""What has been published about messages, and which world keeps to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homing.simulator.calibration import Estimate

GENERIC: Final = ("streaming", "commerce", "news", "drifting")
ALL: Final = ("streaming", "commerce", "learning", "news", "adverse", "drifting")


@dataclass(frozen=True)
class Figure:
    """A moment of `calibration.moments`, or `volume_cut`, with the range in which worlds keep it."""

    moment: str
    what: str
    published: str  # with its source; or `assumed`
    low: float = float("-inf")
    high: float = float("inf")
    presets: tuple[str, ...] = ALL  # that keep to it; for the others it is not targeted
    unit: str = "%"  # of what is printed: %, pp (change in %), min, x (factor) or nothing

    def kept(self, estimate: Estimate) -> bool:
        """Return whether the estimate's interval reaches the range."""
        return estimate.meets(self.low, self.high)


_LEANPLUM: Final = "Leanplum, Personalize or Bust, 2016"
_DUOLINGO: Final = "Yancey and Settles, KDD 2020"

#: What a table of the page says, in its order.
FIGURES: Final = (
    Figure(
        "push_opens",
        "push, direct opens of deliveries, generic messages",
        f"1 to 5 %: 1.5 % ({_LEANPLUM}), 4.19 % (Batch, Benchmark 2025)",
        0.01,
        0.05,
        GENERIC,
    ),
    Figure(
        "push_opens",
        "push, direct opens of deliveries, contextual messages, or such as are built to be opened",
        f"up to 14 %: 5.9 % ({_LEANPLUM}), 14.4 % (Batch, Benchmark 2025)",
        0.05,
        0.144,
        ("learning", "adverse"),
    ),
    Figure(
        "email_opt_outs",
        "e-mail, unsubscribes of deliveries",
        "0.1 to 0.3 % (Campaign Monitor 2020: 0.1 % in the mean, 0.0 to 0.4 % by industry)",
        0.001,
        0.003,
    ),
    Figure(
        "push_opted_in",
        "push, users opted in",
        "about half: 40 % iOS and 59 % Android (Appboy 2016), 53 % (Localytics), 61 % (Batch 2025)",
        0.4,
        0.61,
    ),
    Figure(
        "in_app_over_push",
        "in-app opens over push opens, both of deliveries",
        "several times; no exact figure found",
        2.0,
        10.0,
        unit="x",
    ),
    Figure("ios_delay", "median time to open a push, iOS", f"7 minutes ({_LEANPLUM})", 6, 8, unit="min"),
    Figure(
        "android_delay",
        "median time to open a push, Android",
        f"48 minutes ({_LEANPLUM})",
        42,
        54,
        unit="min",
    ),
    Figure(
        "hour_effect",
        "app used within the hour after a push, over without",
        "3.5 times, 2.91 to 4.25 (Drink Less micro-randomized trial; Bell et al., JMIR mHealth 2023)",
        2.91,
        4.25,
        ("learning",),
        "x",
    ),
    Figure(
        "day_effect",
        "app used within 24 hours after a push, over without",
        "a few percent more: 1.039 times (Bidargaddi et al., JMIR mHealth 2018)",
        1.0,
        1.1,
        unit="x",
    ),
    *(
        Figure(
            f"repetition_{days}",
            f"opens lost by a repetition after {days} day{'s' if days > 1 else ''}, by construction",
            f"{share} % for a template ({_DUOLINGO}); here by category",
            share / 100 - 0.0006,
            share / 100 + 0.0006,
        )
        for days, share in ((1, 1.6), (7, 1.2), (15, 0.85), (30, 0.4))
    ),
    Figure(
        "volume_cut",
        "active days, change when a fifth of a daily volume is left out by chance",
        "2 to 24 % less volume cost nothing or gained (LinkedIn, Pinterest, Twitter)",
        -0.005,
        0.05,
        unit="pp",
    ),
    Figure("email_opens", "e-mail, opens of deliveries", "assumed"),
    Figure("in_app_opens", "in-app, opens of deliveries", "assumed"),
    Figure("push_clicks", "push, clicks of deliveries", "assumed"),
    Figure("email_clicks", "e-mail, clicks of deliveries", "assumed"),
    Figure("in_app_clicks", "in-app, clicks of deliveries", "assumed"),
    Figure("push_opt_outs", "push, opt-outs of deliveries", "assumed"),
    Figure("in_app_opt_outs", "in-app, opt-outs of deliveries", "assumed"),
    Figure("email_opted_in", "e-mail, users opted in", "assumed"),
    Figure("in_app_opted_in", "in-app, users opted in", "assumed"),
    Figure("visits", "visits a user and day", "assumed", unit=""),
    Figure("active", "users active on a day", "assumed"),
    Figure("hour_without", "app used within an hour between 8 and 22 without a push", "assumed"),
)
