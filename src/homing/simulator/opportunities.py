"""Upstream generators: whom they want to reach with what, and how much they believe it is worth."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from homing.schema import Opportunities
from homing.schema.times import DAY, HOUR, MISSING
from homing.simulator.catalogue import Catalogue
from homing.simulator.identifiers import id_bytes, md5_words
from homing.simulator.latents import Traits
from homing.simulator.randomness import Purpose, stream
from homing.simulator.setup import PART_USERS, Setup
from homing.simulator.spec import Generator, Spec

_LEAD: Final = 3  # days before the start from which opportunities may still be alive
_TRIES: Final = 3  # messages that a generator looks at
_AT_ONCE: Final = 500  # users
_EXAGGERATION: Final = 0.05  # conversions that a price-blind generator expects of a message that does not fit


@dataclass(frozen=True)
class Generated:
    """Opportunities with the numbers in their ids."""

    opportunities: Opportunities
    number: NDArray[np.int64]  # [n]


def build_opportunities(
    spec: Spec, setup: Setup, traits: Traits, free_plan: NDArray[np.bool_], catalogue: Catalogue
) -> Generated:
    """Draw the opportunities of the whole period, some hundred users at a time so that they fit the cache.

    Each domain's generator looks at a few of its messages and takes the one that it believes to fit. Its
    domain value is what `Belief` says.
    """
    rng = stream((setup.seed, setup.first), -1, Purpose.opportunities)
    generated, made = [], 0
    for first in range(0, setup.users, _AT_ONCE):
        users = np.arange(first, min(first + _AT_ONCE, setup.users))
        drawn = _draw(rng, spec, setup, users, traits, free_plan, catalogue)
        digest = md5_words(opportunity_ids(setup, made + drawn.number))[:, 0]
        order = np.lexsort((digest, drawn.user))
        generated.append(drawn.take(order))
        generated[-1].digest[:] = digest[order]
        generated[-1].number[:] += made
        made += len(order)
    rows = {
        field.name: np.concatenate([getattr(drawn, field.name) for drawn in generated])
        for field in fields(_Drawn)
    }
    counts = np.bincount(rows["user"], minlength=setup.users)
    return Generated(
        opportunities=Opportunities(
            offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            hash=rows["digest"],
            message=rows["message"].astype(np.int32),
            generator=rows["domain"].astype(np.int32),
            domain_value=rows["value"].astype(np.float32),
            created_at=rows["created"],
            earliest_at=rows["created"],
            expires_at=rows["expires"],
            numeric=np.empty((made, 0), np.float32),
            categorical=np.empty((made, 0), np.int32),
        ),
        number=rows["number"],
    )


@dataclass(frozen=True)
class _Drawn:
    """Opportunities of some users, in the order of users."""

    user: NDArray[np.int64]  # [n] code
    message: NDArray[np.int64]  # [n] code
    domain: NDArray[np.int64]  # [n] code, the generator's too
    created: NDArray[np.int64]  # [n] us
    expires: NDArray[np.int64]  # [n] us
    value: NDArray[np.float64]  # [n] NaN: missing
    number: NDArray[np.int64]  # [n]
    digest: NDArray[np.uint64]  # [n]

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Self:
        """Return some rows."""
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))


def _draw(
    rng: np.random.Generator,
    spec: Spec,
    setup: Setup,
    users: NDArray[np.int64],
    traits: Traits,
    free_plan: NDArray[np.bool_],
    catalogue: Catalogue,
) -> _Drawn:
    """Return the opportunities of some users; `digest` is still to be filled in."""
    generators = [domain.generator for domain in spec.domains]
    days = setup.days + _LEAD
    user = np.repeat(users, rng.poisson(spec.opportunities * days, len(users)))
    n = len(user)
    created = (setup.start + (rng.random(n) * days - _LEAD) * DAY).astype(np.int64)
    shares = np.cumsum([generator.share for generator in generators])
    domain = np.searchsorted(shares[:-1] / shares[-1], rng.random(n), side="right")
    targeting = np.array([generator.targeting for generator in generators])[domain]
    fits, message, relevance = _choose(rng, setup, user, domain, targeting, created, traits, catalogue)
    noise = rng.standard_normal(n)
    missing = rng.random(n) < np.array([generator.missing for generator in generators])[domain]
    life = np.array([generator.life for generator in generators])[domain]
    hours = ((life[:, 0] + (life[:, 1] - life[:, 0]) * rng.random(n)) * 24).astype(np.int64)
    until = catalogue.messages.valid_until[message]
    expires = created + hours * HOUR
    expires = np.where(until == MISSING, expires, np.minimum(expires, until))
    value = np.full(n, np.nan)
    for code, generator in enumerate(generators):
        mine = np.flatnonzero((domain == code) & ~missing)
        value[mine] = _domain_value(
            generator,
            relevance[mine],
            catalogue.appeal[message[mine]],
            traits.intensity[user[mine]],
            noise[mine],
        )
    keep = fits & (created >= traits.signed_up_at[user]) & (expires > created)
    keep &= free_plan[user] | ~catalogue.once[message]
    kept = np.flatnonzero(keep)
    return _Drawn(
        user=user[kept],
        message=message[kept],
        domain=domain[kept],
        created=created[kept],
        expires=expires[kept],
        value=value[kept],
        number=np.arange(len(kept)),
        digest=np.zeros(len(kept), np.uint64),
    )


def opportunity_ids(setup: Setup, number: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the ids of a part's opportunities by their numbers [n], as ASCII bytes [n, length]."""
    return id_bytes(f"opp-{setup.first // PART_USERS}-", number, 8)


def _choose(
    rng: np.random.Generator,
    setup: Setup,
    user: NDArray[np.int64],
    domain: NDArray[np.int64],
    targeting: NDArray[np.float64],
    created: NDArray[np.int64],
    traits: Traits,
    catalogue: Catalogue,
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Return whether a valid message was found, the message, and its relevance to the user; each [n]."""
    messages = catalogue.messages
    best = np.full(len(user), -np.inf)
    chosen = catalogue.first[domain]
    relevance = np.zeros(len(user))
    taste = traits.taste[user]
    elapsed, life = (created - setup.start) / DAY, catalogue.life[domain]
    for _ in range(_TRIES):
        place = rng.random(len(user))
        recent = (elapsed + life * (1.0 - place)) / (setup.days + life)  # see build_catalogue: spread alike
        place = np.where(life > 0, np.clip(recent, 0.0, 1.0 - 1e-9), place)
        message = catalogue.first[domain] + (place * catalogue.counts[domain]).astype(np.int64)
        cosine = np.einsum("ij,ij->i", taste, catalogue.topics[message])
        valid = (messages.valid_from[message] <= created) & (
            (messages.valid_until[message] == MISSING) | (messages.valid_until[message] > created + HOUR)
        )
        score = targeting * cosine + 0.2 * rng.standard_normal(len(user))
        better = valid & (score > best)
        best = np.where(better, score, best)
        chosen = np.where(better, message, chosen)
        relevance = np.where(better, cosine, relevance)
    return best > -np.inf, chosen, relevance


def _domain_value(
    generator: Generator,
    relevance: NDArray[np.float64],
    appeal: NDArray[np.float64],
    intensity: NDArray[np.float64],
    noise: NDArray[np.float64],
) -> NDArray[np.float64]:
    match generator.belief:
        case "informative":
            worth = relevance + 0.12 * noise
        case "loudness":
            worth = 0.2 + 0.6 * appeal + 0.1 * np.log(intensity) + 0.05 * noise
        case "price_blind":
            worth = _EXAGGERATION + 0.1 * relevance + 0.015 * noise
        case "noise":
            worth = np.exp(0.5 * noise)
    return np.asarray(generator.scale * np.maximum(worth, 0.0))
