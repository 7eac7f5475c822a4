"""Each candidate as the few numbers that its long-term effect may depend on; hold is zero in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from homing.schema import Features, FeatureSpec, InputError

#: Heads of a response model beside the objectives': is a message opened, is it clicked.
ATTENTION: Final = {"message.opened": "opened", "message.clicked": "clicked"}


@dataclass(frozen=True)
class Basis:
    """The columns of a candidate, in groups that are shrunk alike.

    A send has factors: 1, the root of its probabilities of being opened and clicked, how much its channel
    delivered of late, how active the user is. They stand once for all channels and once for each, so that a
    channel with little data borrows from the others. Then come its short-term responses against hold, its
    domain, and its context: every numeric column of a candidate, such as what its domain says it is worth.
    """

    heads: tuple[str, ...]  # of the response model, the attention heads last
    channels: int
    domains: int
    fatigue: tuple[int, ...]  # candidate columns: deliveries of the channel
    activity: int  # user column
    centre: NDArray[np.float64]  # [factors] over sends; 0 for the first
    scale: NDArray[np.float64]  # [factors] over sends; 1 for the first
    response_scale: NDArray[np.float64]  # [heads] standard deviation over sends of the response against hold
    context_centre: NDArray[np.float64]  # [candidate columns] over sends
    context_scale: NDArray[np.float64]  # [candidate columns] over sends; 1 where it never differs

    @property
    def groups(self) -> NDArray[np.int64]:
        """[columns] group: what all sends share, a channel's or domain's own, short-term responses, context.

        A variance that one or a few columns tell keeps much of their noise, so groups are few and large.
        """
        factors, objectives = len(self.centre), len(self.heads) - len(ATTENTION)
        sizes = (factors, factors * self.channels, objectives, self.domains, len(self.context_centre))
        return np.repeat(np.array([0, 1, 2, 1, 3]), sizes)

    def own_response(self, objective: str) -> NDArray[np.float64]:
        """Return float64 [columns]: one for the objective's own short-term response, zero for all else."""
        result = np.zeros(len(self))
        place = self.heads.index(objective)
        result[len(self.centre) * (1 + self.channels) + place] = self.response_scale[place]
        return result

    def __len__(self) -> int:
        return len(self.groups)

    def __call__(self, features: Features, responses: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 [n, columns].

        Args:
            features: of whole candidate sets, hold first in each row.
            responses: float32 [n, heads] of the response model for the same candidates.
        """
        sent = np.flatnonzero(~features.is_hold)
        factors = (_factors(self, features, responses, sent) - self.centre) / self.scale
        result = np.zeros((len(features), len(self)), np.float32)
        channel = features.candidate_codes[sent, 0]
        parts = [factors]
        for place in range(factors.shape[1]):
            own = np.zeros((len(sent), self.channels))
            own[np.arange(len(sent)), channel] = factors[:, place]
            parts.append(own)
        hold = features.offsets[features.row[sent]]
        objectives = len(self.heads) - len(ATTENTION)
        against = responses[sent, :objectives].astype(np.float64) - responses[hold, :objectives]
        parts.append(against / self.response_scale[:objectives])
        domain = features.messages_codes[features.message[sent], 1]
        parts.append(domain[:, None] == np.arange(self.domains))
        context = (features.candidate[sent] - self.context_centre) / self.context_scale
        parts.append(np.nan_to_num(context))  # missing: as the mean
        result[sent] = np.concatenate(parts, axis=1)
        return result


def measure_basis(
    spec: FeatureSpec,
    heads: tuple[str, ...],
    rhythm: str,
    features: Features,
    responses: NDArray[np.float32],
) -> Basis:
    """Return the basis, scaled by a sample of candidate sets.

    Args:
        spec: of the features.
        heads: of the response model, the attention heads last.
        rhythm: event type that says how active a user is.
        features: of whole candidate sets, hold first in each row.
        responses: float32 [n, heads].

    Raises:
        InputError: the sample has no send.
    """
    sent = np.flatnonzero(~features.is_hold)
    if not len(sent):
        raise InputError("no candidate of the sample is a send; long-term effects need sends to learn from")
    fatigue = tuple(
        place for place, name in enumerate(spec.candidate) if name.startswith("channel.delivered.")
    )
    activity = max(place for place, name in enumerate(spec.user) if name.startswith(f"{rhythm}.organic."))
    count = 5
    plain = Basis(
        heads,
        spec.candidate_codes[0][1],
        spec.message_codes[1][1],
        fatigue,
        activity,
        np.zeros(count),
        np.ones(count),
        np.ones(len(heads)),
        np.zeros(0),
        np.ones(0),
    )
    factors = _factors(plain, features, responses, sent)
    hold = features.offsets[features.row[sent]]
    against = responses[sent].astype(np.float64) - responses[hold]
    centre, scale = factors.mean(axis=0), factors.std(axis=0)
    centre[0], scale[0] = 0.0, 1.0
    context = features.candidate[sent].astype(np.float64)
    known = np.maximum(np.isfinite(context).sum(axis=0), 1)
    middle = np.nansum(context, axis=0) / known
    spread = np.sqrt(np.nansum((context - middle) ** 2, axis=0) / known)
    return Basis(
        heads,
        plain.channels,
        plain.domains,
        fatigue,
        activity,
        centre,
        np.where(scale > 0, scale, 1.0),
        np.where(against.std(axis=0) > 0, against.std(axis=0), 1.0),
        middle,
        np.where(spread > 0, spread, 1.0),
    )


def _factors(
    basis: Basis, features: Features, responses: NDArray[np.float32], sent: NDArray[np.int64]
) -> NDArray[np.float64]:
    first = len(basis.heads) - len(ATTENTION)
    attention = np.sqrt(np.maximum(responses[sent, first:], 0.0))
    delivered = np.nan_to_num(features.candidate[sent][:, list(basis.fatigue)]).sum(axis=1)
    activity = np.nan_to_num(features.user[features.row[sent], basis.activity])
    return np.column_stack([np.ones(len(sent)), attention, delivered, activity]).astype(np.float64)
