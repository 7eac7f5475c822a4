"""The messages of a music-streaming service: five domains, some of which promise more than they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import Messages, Vocabulary
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator.randomness import Purpose, stream

TOPICS: Final = ("pop", "rock", "hiphop", "electronic", "jazz", "classical", "folk", "talk")
TONES: Final = ("calm", "plain", "loud")


@dataclass(frozen=True)
class Domain:
    """One domain of messages. Counts, quality and appeal are assumed."""

    name: str
    short: str  # in message ids
    messages: int
    categories: tuple[str, ...]
    channels: tuple[str, ...]
    quality: float  # mean of what the message leads to, in [0, 1]
    appeal: float  # mean of how loud it is, in [0, 1]
    valid_days: int  # 0: for ever


_ALL: Final = ("push", "email", "in_app")
DOMAINS: Final = (
    Domain("new_releases", "new", 18, ("album", "single", "followed_artist"), _ALL, 0.60, 0.55, 21),
    Domain("podcasts", "pod", 14, ("episode", "new_show", "series"), _ALL, 0.55, 0.45, 0),
    Domain("playlists", "pla", 14, ("weekly_mix", "mood", "charts"), ("push", "in_app"), 0.65, 0.40, 0),
    Domain("concerts", "con", 8, ("nearby", "tour"), ("push", "email"), 0.50, 0.60, 28),
    Domain("premium", "pre", 6, ("trial", "last_chance"), _ALL, 0.35, 0.85, 0),
)
CATEGORIES: Final = tuple(f"{domain.name}/{name}" for domain in DOMAINS for name in domain.categories)


@dataclass(frozen=True)
class Catalogue:
    """The messages with what only the world knows of them."""

    messages: Messages
    ids: tuple[str, ...]
    topics: NDArray[np.float64]  # [messages, topics] of unit length
    quality: NDArray[np.float64]  # [messages] in [0, 1]; the feature shows it with noise
    appeal: NDArray[np.float64]  # [messages] in [0, 1]; the tone shows it roughly

    @property
    def subscribes(self) -> NDArray[np.bool_]:
        """[messages] whether a conversion is a subscription, which a user makes once."""
        return np.array([domain.name == "premium" for domain in DOMAINS])[self.messages.domain]

    @property
    def vocabulary(self) -> Vocabulary:
        """Codes of the message ids."""
        return Vocabulary(self.ids)


def build_catalogue(seed: int, start: int, days: int, channels: tuple[str, ...]) -> Catalogue:
    """Return the messages of the period; those of a domain with windows are spread over it.

    A domain that can be shown in none of `channels` is shown in all of them.
    """
    rng = stream(seed, -1, Purpose.catalogue)
    domain = np.repeat(np.arange(len(DOMAINS)), [d.messages for d in DOMAINS])
    n = len(domain)
    within = np.arange(n) - np.repeat(
        np.cumsum([0, *(d.messages for d in DOMAINS)])[:-1], [d.messages for d in DOMAINS]
    )
    sizes = np.array([len(d.categories) for d in DOMAINS])
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    category = first[domain] + within % sizes[domain]

    topics = np.exp(2.2 * rng.standard_normal((n, len(TOPICS))))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    quality = np.clip(np.array([d.quality for d in DOMAINS])[domain] + 0.15 * rng.standard_normal(n), 0, 1)
    appeal = np.clip(np.array([d.appeal for d in DOMAINS])[domain] + 0.15 * rng.standard_normal(n), 0, 1)
    shown_quality = np.clip(quality + 0.08 * rng.standard_normal(n), 0, 1)
    tone = np.digitize(appeal + 0.08 * rng.standard_normal(n), (0.42, 0.62))

    lifetime = np.array([d.valid_days for d in DOMAINS])[domain]
    share = (within + rng.random(n)) / np.array([d.messages for d in DOMAINS])[domain]
    valid_from = start + np.round((share * (days + lifetime) - lifetime) * 24).astype(np.int64) * HOUR
    shown = np.array([[name in d.channels for name in channels] for d in DOMAINS])
    shown |= ~shown.any(axis=1, keepdims=True)
    return Catalogue(
        messages=Messages(
            domain=domain.astype(np.int32),
            category=category.astype(np.int32),
            channels=shown[domain],
            valid_from=np.where(lifetime > 0, valid_from, MISSING),
            valid_until=np.where(lifetime > 0, valid_from + lifetime * DAY, MISSING),
            transactional=np.zeros(n, np.bool_),
            numeric=np.column_stack([topics, shown_quality]).astype(np.float32),
            categorical=tone.astype(np.int32)[:, None],
        ),
        ids=tuple(f"msg-{DOMAINS[d].short}-{row:03d}" for row, d in enumerate(domain)),
        topics=topics,
        quality=quality,
        appeal=appeal,
    )
