"""The whole training set as contiguous tensors; a batch is one gather from each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.models.heads import HeadScale
from homing.models.inputs import ColumnReader, shift_codes
from homing.models.network import Network
from homing.models.response import Scales
from homing.schema import Features


@dataclass(frozen=True)
class Examples:
    """Rows with one candidate each, scaled and ready for the network."""

    user: Tensor  # float [rows, user columns]
    user_places: Tensor  # int32 [rows, user categorical columns]
    candidate: Tensor  # float [rows, candidate columns]
    candidate_places: Tensor  # int32 [rows, candidate categorical columns]
    message: Tensor  # int32 [rows] row in the two tables below; 0 for hold
    sent: Tensor  # float [rows, 1] 0 for hold
    messages: Tensor  # float [messages, message columns]
    messages_places: Tensor  # int32 [messages, message categorical columns]
    outcome: Tensor  # float [rows, heads] in units of the head, 0 where not known
    known: Tensor  # float [rows, heads] 1 where the outcome is known and there is something to learn

    def __len__(self) -> int:
        return len(self.message)

    def draw_embeddings(self, network: Network) -> None:
        """Start the embeddings of all codes that these rows have."""
        sent = self.sent[:, 0] > 0
        for baseline in network.baselines:
            baseline.first.draw(self.user_places)
        network.user.draw(self.user_places)
        network.candidate.draw(self.candidate_places[sent])
        network.message.draw(self.messages_places[self.message[sent]])

    def raw(self, network: Network, rows: Tensor) -> Tensor:
        """Return the network's outputs [k, heads] for int64 [k] rows, less each head's start."""
        baseline, delta = self.parts(network, rows)
        return baseline + delta

    def parts(self, network: Network, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return baselines and deltas [k, heads] for int64 [k] rows; baselines less each head's start."""
        user = network.of_users(self.user[rows], self.user_places[rows])
        message = self.message[rows]
        delta = network.delta(
            user.hidden,
            network.of_messages(self.messages[message], self.messages_places[message]),
            self.candidate[rows],
            self.candidate_places[rows],
            self.sent[rows],
        )
        return user.baseline, delta


def gather_examples(
    features: Features,
    outcomes: NDArray[np.float32],
    rows: NDArray[np.int64],
    scales: Scales,
    head_scales: Sequence[HeadScale],
    device: torch.device,
) -> Examples:
    """Return the given rows (int64 [k]) of features with one candidate a row, on the device."""

    def put(values: NDArray[np.float32] | NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    def places(codes: NDArray[np.int32], spec: tuple[tuple[str, int], ...]) -> Tensor:
        return shift_codes(put(codes), tuple(size for _, size in spec))

    spec, message = features.spec, features.message[rows]
    units = np.array([scale.unit for scale in head_scales], np.float32)
    varies = ~np.array([scale.constant for scale in head_scales], np.bool_)
    known = np.isfinite(outcomes[rows]) & varies  # a constant needs no gradient
    # a catalogue without messages still needs one row to gather for holds
    table = features.messages if len(features.messages) else np.zeros((1, len(spec.message)), np.float32)
    codes = features.messages_codes
    if not len(codes):
        codes = np.full((1, len(spec.message_codes)), -1, np.int32)
    return Examples(
        user=ColumnReader(scales.user, device)(put(features.user[rows])),
        user_places=places(features.user_codes[rows], spec.user_codes),
        candidate=ColumnReader(scales.candidate, device)(put(features.candidate[rows])),
        candidate_places=places(features.candidate_codes[rows], spec.candidate_codes),
        message=put(np.maximum(message, 0)),
        sent=put((message >= 0).astype(np.float32)[:, None]),
        messages=ColumnReader(scales.message, device)(put(table)),
        messages_places=places(codes, spec.message_codes),
        outcome=put(np.where(known, outcomes[rows] / units, 0).astype(np.float32)),
        known=put(known.astype(np.float32)),
    )
