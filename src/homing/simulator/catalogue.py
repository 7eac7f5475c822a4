"""A world's messages with what only the world knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import Messages, Vocabulary
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator.randomness import Purpose, stream
from homing.simulator.setup import Setup
from homing.simulator.spec import Spec

TONES: Final = ("calm", "plain", "loud")


@dataclass(frozen=True)
class Catalogue:
    """The messages; the same for every part of the population."""

    messages: Messages
    vocabulary: Vocabulary
    topics: NDArray[np.float64]  # [messages, topics] of unit length
    quality: NDArray[np.float64]  # [messages] in [0, 1]; the feature shows it with noise
    appeal: NDArray[np.float64]  # [messages] in [0, 1]; the tone shows it roughly
    urgency: NDArray[np.float64]  # [messages] in [0, 1]
    first: NDArray[np.int64]  # [domains] code of each domain's first message
    counts: NDArray[np.int64]  # [domains]
    life: NDArray[np.float64]  # [domains] days that a message is valid, 0: for ever
    once: NDArray[np.bool_]  # [messages] a conversion is a subscription


def build_catalogue(spec: Spec, setup: Setup) -> Catalogue:
    """Return the messages of the period; those of a domain with windows are spread over it.

    A domain that can be shown in none of the channels is shown in all of them.
    """
    rng = stream((setup.seed,), -1, Purpose.catalogue)
    domains, topics = spec.domains, len(spec.topics)
    counts = np.array([d.count(setup.days) for d in domains])
    starts = np.cumsum(counts) - counts
    domain = np.repeat(np.arange(len(domains)), counts)
    n = len(domain)
    within = np.arange(n) - starts[domain]
    kinds = np.array([len(d.categories) for d in domains])
    category = (np.cumsum(kinds) - kinds)[domain] + within % kinds[domain]

    weights = np.exp(2.2 * rng.standard_normal((n, topics)))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    quality = np.clip(np.array([d.quality for d in domains])[domain] + 0.15 * rng.standard_normal(n), 0, 1)
    appeal = np.clip(np.array([d.appeal for d in domains])[domain] + 0.15 * rng.standard_normal(n), 0, 1)
    shown_quality = np.clip(quality + 0.08 * rng.standard_normal(n), 0, 1)
    tone = np.digitize(appeal + 0.08 * rng.standard_normal(n), (0.42, 0.62))

    life = np.array([d.valid_days for d in domains])[domain]
    share = (within + rng.random(n)) / counts[domain]
    valid_from = setup.start + np.round((share * (setup.days + life) - life) * 24).astype(np.int64) * HOUR
    shown = np.array([[name in d.channels for name in setup.channels] for d in domains])
    shown |= ~shown.any(axis=1, keepdims=True)
    return Catalogue(
        messages=Messages(
            domain=domain.astype(np.int32),
            category=category.astype(np.int32),
            channels=shown[domain],
            valid_from=np.where(life > 0, valid_from, MISSING),
            valid_until=np.where(life > 0, valid_from + life * DAY, MISSING),
            transactional=np.zeros(n, np.bool_),
            numeric=np.column_stack([weights, shown_quality]).astype(np.float32),
            categorical=tone.astype(np.int32)[:, None],
        ),
        vocabulary=Vocabulary(tuple(f"msg-{domains[d].short}-{row:03d}" for row, d in enumerate(domain))),
        topics=weights,
        quality=quality,
        appeal=appeal,
        urgency=np.array([d.urgency for d in domains])[domain],
        first=starts,
        counts=counts,
        life=np.array([d.valid_days for d in domains], np.float64),
        once=np.array([d.once for d in domains])[domain],
    )
