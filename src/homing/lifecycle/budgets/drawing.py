"""From prices to decisions whose totals are what was expected: drawn dependently, shard by shard.

Every user draws from its own distribution, which is what is logged. A maximum that the drawn totals pass
stops the draw, and all is drawn again with other randomness; `pricing.py` leaves so much room that this
hardly happens, and the propensity is exact but for that chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.allocation import Uses
from homing.allocation.grouped import Part, draw_part, pick_left, round_left
from homing.decision import SharedLimits, Softmax, uniforms_and_ids
from homing.decision.ragged import offsets_of, spans
from homing.lifecycle.budgets.pricing import Priced
from homing.lifecycle.epoch import Offer
from homing.schema import InputError

_DRAWS: Final = 10
_SLACK: Final = 1e-6  # relative, of sums of float32 amounts


@dataclass(frozen=True)
class Draw:
    """The choices of one shard."""

    index: NDArray[np.int64]  # [rows] places of the candidates
    propensity: NDArray[np.float64]  # [rows]
    used: NDArray[np.float64]  # [limits]


@dataclass(frozen=True)
class Draws:
    """The choices of a plan."""

    shards: tuple[Draw, ...]
    used: NDArray[np.float64]  # [limits] by all decisions
    tries: int


def draw_all(
    over: Callable[[Callable[[int], Half]], Iterable[Half]],
    read: Callable[[int], Offer],
    policy: Softmax,
    priced: Priced,
    salt: str,
    account: str = "",
) -> Draws:
    """Draw for all users of an account.

    Args:
        over: runs a function over all its shards and gives the results in order.
        read: the offer of a shard.
        policy: with the prices.
        priced: what they were found from.
        salt: the workspace's.
        account: whose randomness is its own; empty: all users.

    Raises:
        InputError: every draw passed a maximum.
    """
    stops = priced.stops + _SLACK * np.abs(priced.stops)
    used = np.zeros(len(stops))
    for tries in range(1, _DRAWS + 1):

        def half(partition: int, tries: int = tries) -> Half:
            return half_of(read(partition), policy, priced, salt, tries, account)

        halves = list(over(half))
        rng = _random(salt, halves[0].epoch, account, "all", tries) if halves else np.random.default_rng(0)
        drawn = round_left([one.part for one in halves], len(priced.kinds), rng)
        shards = tuple(_whole(one, kind, priced) for one, kind in zip(halves, drawn, strict=True))
        used = np.sum([shard.used for shard in shards], axis=0) if shards else used
        if (used <= stops).all():
            return Draws(shards, used, tries)
    worst = int(np.argmax(used - stops))
    budget = priced.limits.budgets[priced.limits.budget[worst]].name
    raise InputError(
        f"budget {budget!r}{account and f' of {account}'}: {_DRAWS} draws used more than the "
        f"{stops[worst]:.6g} that are left, the last {used[worst]:.6g}; nothing was planned; raise its max, "
        "or leave it out"
    )


@dataclass(frozen=True)
class Half:
    """A shard, drawn as far as can be without the others, and the candidates of those who are left."""

    epoch: int
    part: Part
    propensity: NDArray[np.float64]  # [rows] NaN of those who are left
    used: NDArray[np.float64]  # [limits] by those who are not
    offsets: NDArray[np.int64]  # [left + 1]
    place: NDArray[np.int64]  # [n] of the left users' candidates in the shard
    probability: NDArray[np.float64]  # [n]
    arm: NDArray[np.int32]  # [n]
    own: Uses | None  # [n]
    uniform: NDArray[np.float64]  # [left]


def half_of(offer: Offer, policy: Softmax, priced: Priced, salt: str, tries: int, account: str = "") -> Half:
    """Draw for one shard, as far as can be without the others."""
    context, limits = offer.context, priced.limits
    candidates, rows = context.candidates, context.candidates.rows
    offsets = candidates.offsets
    assert context.arm is not None and context.values is not None
    probability = policy.probabilities(context)
    kind = priced.kinds.of_arm[context.arm]
    uniform, _ = uniforms_and_ids(context.shard.users.hash[rows.user], rows.at, f"{salt}:kind:{tries}")
    epoch = int(rows.at[0]) if len(rows) else 0
    rng = _random(salt, epoch, account, str(offer.partition), tries)
    part = draw_part(offsets, probability, kind, len(priced.kinds), uniform, rng)
    counts = candidates.counts[part.left]
    place = spans(offsets[part.left], counts)
    own = limits.own(context.arm, offsets, context.values)
    chosen = part.chosen[part.chosen >= 0]
    propensity = np.where(part.chosen >= 0, probability[part.chosen], np.nan)
    return Half(
        epoch=epoch,
        part=part,
        propensity=propensity,
        used=use_of(limits, context.arm[chosen], None if own is None else own.take(chosen)),
        offsets=offsets_of(counts),
        place=place,
        probability=probability[place],
        arm=context.arm[place],
        own=None if own is None else own.take(place),
        uniform=uniform[part.left],
    )


def _whole(half: Half, drawn: NDArray[np.int32], priced: Priced) -> Draw:
    """Return the choices of a shard once it is known what kind each of those who were left draws."""
    kind = priced.kinds.of_arm[half.arm]
    chosen = pick_left(drawn, half.offsets, half.probability, kind, half.uniform)
    index, propensity = half.part.chosen.copy(), half.propensity.copy()
    index[half.part.left] = half.place[chosen]
    propensity[half.part.left] = half.probability[chosen]
    own = None if half.own is None else half.own.take(chosen)
    return Draw(index, propensity, half.used + use_of(priced.limits, half.arm[chosen], own))


def use_of(limits: SharedLimits, arm: NDArray[np.int32], own: Uses | None) -> NDArray[np.float64]:
    """Return what sends use of each limit: float64 [limits]."""
    counts = np.bincount(arm, minlength=len(limits.uses)).astype(np.float64)
    used = limits.uses.totals(counts, len(limits))
    return used if own is None else used + own.totals(np.ones(len(own)), len(limits))


def _random(salt: str, epoch: int, account: str, part: str, tries: int) -> np.random.Generator:
    """Return randomness that derives from (salt, epoch, a part of the users)."""
    part = f"{account}\0{part}" if account else part
    text = f"{salt}\0{epoch}\0{part}\0{tries}"
    digest = hashlib.blake2b(text.encode(), digest_size=16, person=b"homing.together").digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))
