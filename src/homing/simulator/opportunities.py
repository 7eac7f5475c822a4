"""Upstream generators: whom they want to reach with what, and how much they believe it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import Opportunities
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator.catalogue import DOMAINS, Catalogue
from homing.simulator.identifiers import id_bytes, md5_words
from homing.simulator.latents import Traits
from homing.simulator.randomness import Purpose, stream

ID_DIGITS: Final = 8
GENERATORS: Final = tuple(f"{domain.name}_generator" for domain in DOMAINS)

_A_DAY: Final = 1.35  # opportunities a user and day; some are dropped for want of a valid message
_LEAD: Final = 3  # days before the start from which opportunities may still be alive
_DOMAIN_SHARES: Final = (0.30, 0.22, 0.24, 0.14, 0.10)
_TRIES: Final = 3  # messages that a generator looks at
_TARGETING: Final = (1.0, 0.6, 1.0, 0.3, 0.0)  # by domain: weight of relevance in its choice, against luck
_DAYS: Final = (
    (1.5, 4.0),
    (2.0, 5.0),
    (1.0, 3.0),
    (2.0, 4.0),
    (1.0, 3.0),
)  # by domain: shortest, longest life


@dataclass(frozen=True)
class Generated:
    """Opportunities with the numbers in their ids."""

    opportunities: Opportunities
    number: NDArray[np.int64]  # [n]


def build_opportunities(seed: int, start: int, days: int, traits: Traits, catalogue: Catalogue) -> Generated:
    """Draw the opportunities of the whole period, about three alive at once for each user.

    Each domain's generator looks at a few of its messages and takes the one that it believes to fit. A
    domain value is informative for new releases and playlists (missing for a fifth of the latter), biased
    for podcasts (it follows how loud a message is and how active the user) and concerts (in money, blind
    to the price that the user would pay, and three times too high), and noise for the premium offer.
    """
    rng = stream(seed, -1, Purpose.opportunities)
    users = len(traits.intensity)
    n = int(rng.poisson(_A_DAY * users * (days + _LEAD)))
    created = np.sort(start + (rng.random(n) * (days + _LEAD) - _LEAD) * DAY).astype(np.int64)
    user = rng.integers(0, users, n)
    domain = rng.choice(len(DOMAINS), n, p=_DOMAIN_SHARES)
    fits, message, relevance = _choose(rng, user, domain, created, traits, catalogue)
    premium = domain == _domain_code("premium")
    keep = fits & (created >= traits.signed_up_at[user]) & (traits.free_plan[user] | ~premium)
    noise = rng.standard_normal(n)
    missing = rng.random(n) < 0.2
    life = np.array(_DAYS)[domain]
    expires = (
        created + ((life[:, 0] + (life[:, 1] - life[:, 0]) * rng.random(n)) * 24).astype(np.int64) * HOUR
    )
    until = catalogue.messages.valid_until[message]
    expires = np.where(until == MISSING, expires, np.minimum(expires, until))
    value = _domain_value(domain, relevance, catalogue.appeal[message], traits.intensity[user], noise)
    value = np.where((domain == _domain_code("playlists")) & missing, np.nan, value)
    keep &= expires > created
    user, message, domain, created, expires, value = (
        column[keep] for column in (user, message, domain, created, expires, value)
    )
    number = np.arange(len(user))
    digest = md5_words(id_bytes("opp-", number, ID_DIGITS))[:, 0]
    order = np.lexsort((digest, user))
    return Generated(
        opportunities=Opportunities(
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(user, minlength=users))]),
            hash=digest[order],
            message=message[order].astype(np.int32),
            generator=domain[order].astype(np.int32),
            domain_value=value[order].astype(np.float32),
            created_at=created[order],
            earliest_at=created[order],
            expires_at=expires[order],
            numeric=np.empty((len(order), 0), np.float32),
            categorical=np.empty((len(order), 0), np.int32),
        ),
        number=number[order],
    )


def _choose(
    rng: np.random.Generator,
    user: NDArray[np.int64],
    domain: NDArray[np.int64],
    created: NDArray[np.int64],
    traits: Traits,
    catalogue: Catalogue,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Return whether a valid message was found, the message, and its relevance to the user; each [n]."""
    counts = np.array([d.messages for d in DOMAINS])
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    messages = catalogue.messages
    best = np.full(len(user), -np.inf)
    chosen = first[domain].astype(np.int64)
    relevance = np.zeros(len(user))
    for _ in range(_TRIES):
        message = first[domain] + (rng.random(len(user)) * counts[domain]).astype(np.int64)
        cosine = np.einsum("ij,ij->i", traits.taste[user], catalogue.topics[message])
        valid = (messages.valid_from[message] <= created) & (
            (messages.valid_until[message] == MISSING) | (messages.valid_until[message] > created + HOUR)
        )
        score = np.array(_TARGETING)[domain] * cosine + 0.2 * rng.standard_normal(len(user))
        better = valid & (score > best)
        best = np.where(better, score, best)
        chosen = np.where(better, message, chosen)
        relevance = np.where(better, cosine, relevance)
    return best > -np.inf, chosen, relevance


def _domain_value(
    domain: NDArray[np.int64],
    relevance: NDArray[np.float64],
    appeal: NDArray[np.float64],
    intensity: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.float64]:
    by_domain = (
        30.0 * relevance + 3.0 * noise,  # minutes that the user will listen
        np.clip(0.2 + 0.6 * appeal + 0.1 * np.log(intensity) + 0.05 * noise, 0.0, 1.0),  # "probability"
        np.clip(relevance + 0.15 * noise, 0.0, 1.0),  # probability of a save
        np.maximum(135.0 * (0.05 + 0.1 * relevance) + 2.0 * noise, 0.0),  # money
        np.exp(0.5 * noise),  # propensity score of a model that does not work
    )
    return np.asarray(np.choose(domain, by_domain))


def _domain_code(name: str) -> int:
    return [domain.name for domain in DOMAINS].index(name)
