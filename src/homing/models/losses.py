"""Losses of raw outputs, one column a head, each in units of its own noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from homing.models.heads import HeadScale

_HIGHEST_LOG = 12.0  # exp beyond this many e-folds above the mean outcome is no prediction


class HeadLosses:
    """Loss of each row and head above the best constant's, divided by the noise of its gradient."""

    def __init__(self, scales: Sequence[HeadScale], device: torch.device) -> None:
        def columns(link: str) -> Tensor:
            chosen = [place for place, scale in enumerate(scales) if scale.link == link]
            return torch.tensor(chosen, dtype=torch.int64, device=device)

        self._logit, self._log, self._identity = columns("logit"), columns("log"), columns("identity")
        self._weight = 1 / torch.tensor([scale.noise for scale in scales], device=device)
        self.start = torch.tensor([scale.start for scale in scales], device=device)

    def __call__(self, raw: Tensor, outcome: Tensor, known: Tensor) -> Tensor:
        """Return the summed loss of each head, [heads].

        Args:
            raw: [n, heads] outputs of the network, with `start` added.
            outcome: [n, heads] in units of the head; anything where not known.
            known: [n, heads] 1 where the outcome is known, else 0.
        """
        return (self.each(raw, outcome) * known).sum(0) * self._weight

    def each(self, raw: Tensor, outcome: Tensor) -> Tensor:
        """Return the unweighted loss [n, heads]: cross-entropy, exp(z) - y z, or half the squared error."""
        loss = torch.empty_like(raw)
        if len(self._logit):
            loss[:, self._logit] = functional.binary_cross_entropy_with_logits(
                raw[:, self._logit], outcome[:, self._logit], reduction="none"
            )
        if len(self._log):
            z = raw[:, self._log].clamp(max=_HIGHEST_LOG)
            loss[:, self._log] = z.exp() - outcome[:, self._log] * z
        if len(self._identity):
            loss[:, self._identity] = (raw[:, self._identity] - outcome[:, self._identity]).square() / 2
        return loss
