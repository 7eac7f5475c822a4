"""A fitted response model: predictions of every objective for any candidates."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from homing.models.calibration import RAW_LIMIT, Scaling
from homing.models.heads import Head, HeadScale
from homing.models.inputs import ColumnReader, ColumnScale, shift_codes
from homing.models.network import Network
from homing.models.scorer import Scorer
from homing.models.summary import TrainingSummary
from homing.schema import Features, FeatureSpec, InputError

_BATCH: Final = 2_000  # candidates at a time: their hidden layers then stay in the cache


@dataclass(frozen=True)
class Scales:
    """How the numeric columns of each block are scaled."""

    user: ColumnScale
    message: ColumnScale
    candidate: ColumnScale


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run with that many threads (0: PyTorch's choice), then restore what was set."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def match_spec(given: FeatureSpec, expected: FeatureSpec) -> None:
    """Check that features have the columns that a model was trained on.

    Code spaces may be larger now (new messages); their new codes count as unknown.

    Raises:
        InputError: names or order of columns differ.
    """
    for block in ("user", "candidate", "message", "user_codes", "candidate_codes", "message_codes"):
        have = [column if isinstance(column, str) else column[0] for column in getattr(given, block)]
        want = [column if isinstance(column, str) else column[0] for column in getattr(expected, block)]
        if have != want:
            odd = sorted(set(have) ^ set(want)) or ["the order"]
            raise InputError(
                f"features.spec.{block} differs from the model's in {', '.join(odd[:5])}; build the features "
                "with the model's own spec, or train again"
            )


class ResponseModel:
    """Networks with a calibrated head per objective; predicts mean outcomes in their own units.

    Where there are several, each one's raw outputs count alike.
    """

    def __init__(
        self,
        spec: FeatureSpec,
        heads: tuple[Head, ...],
        head_scales: tuple[HeadScale, ...],
        scales: Scales,
        networks: tuple[Network, ...],
        scalings: tuple[Scaling, ...],
        summary: TrainingSummary,
        device: str = "cpu",
        threads: int = 0,
    ) -> None:
        self.spec, self.heads, self.summary = spec, heads, summary
        self.head_scales, self.scales, self.scalings = head_scales, scales, scalings
        self.threads = threads
        self.device = torch.device(device)
        self.networks = tuple(network.to(self.device).eval() for network in networks)
        self._readers = {
            name: ColumnReader(getattr(scales, name), self.device)
            for name in ("user", "message", "candidate")
        }
        self._links = tuple(scale.link for scale in head_scales)

    def predict(self, features: Features) -> NDArray[np.float32]:
        """Return the calibrated mean outcome of every candidate, float32 [n, heads].

        Candidate sets may differ in size by row and may be empty.

        Raises:
            InputError: the features have other columns than the model was trained on.
        """
        base, delta = self.raw(features)
        row = torch.from_numpy(features.row)
        with torch_threads(self.threads), torch.inference_mode():
            values = self._calibrated(base[row], delta)
        return values.numpy()

    def raw(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return, before calibration and on the CPU, baselines [rows, heads] and deltas [n, heads].

        Baselines are measured from the head's `start`.

        Raises:
            InputError: the features have other columns than the model was trained on.
        """
        match_spec(features.spec, self.spec)
        _check_messages(features)
        base = torch.empty((len(features.offsets) - 1, len(self.heads)))
        delta = torch.empty((len(features), len(self.heads)))
        workers = self._workers()
        with torch_threads(1):
            with torch.inference_mode():
                scorers = self._scorers(features)
            # batches beside each other, one thread each: threads inside an operation wait for one another,
            # which on a busy machine costs more than it gains
            with ThreadPoolExecutor(workers) as pool:
                jobs = [
                    pool.submit(self._fill, features, low, high, scorers, base, delta)
                    for low, high in _batches(features.offsets)
                ]
                for job in jobs:
                    job.result()
        return base, delta

    def with_calibration(self, scalings: tuple[Scaling, ...], summary: TrainingSummary) -> ResponseModel:
        """Return a model with the same networks and other scalings, one a head."""
        return ResponseModel(
            self.spec,
            self.heads,
            self.head_scales,
            self.scales,
            self.networks,
            scalings,
            summary,
            str(self.device),
            self.threads,
        )

    def _workers(self) -> int:
        # an accelerator is one queue; a second thread could only wait for it
        return (self.threads or torch.get_num_threads()) if self.device.type == "cpu" else 1

    def _scorers(self, features: Features) -> list[Scorer]:
        columns = self._readers["message"](self._tensor(features.messages))
        places = shift_codes(self._tensor(features.messages_codes), _sizes(self.spec.message_codes))
        return [Scorer(network, network.of_messages(columns, places)) for network in self.networks]

    @torch.inference_mode()
    def _fill(
        self, features: Features, low: int, high: int, scorers: list[Scorer], base: Tensor, delta: Tensor
    ) -> None:
        first, last = int(features.offsets[low]), int(features.offsets[high])
        user_columns = self._readers["user"](self._tensor(features.user[low:high]))
        user_places = shift_codes(self._tensor(features.user_codes[low:high]), _sizes(self.spec.user_codes))
        counts = np.diff(features.offsets[low : high + 1])
        row = self._tensor(np.repeat(np.arange(high - low, dtype=np.int32), counts))
        message = self._tensor(features.message[first:last])
        columns = self._readers["candidate"](self._tensor(features.candidate[first:last]))
        places = shift_codes(
            self._tensor(features.candidate_codes[first:last]), _sizes(self.spec.candidate_codes)
        )
        place = torch.where(message < 0, scorers[0].hold, message + scorers[0].message)
        index = torch.cat([places, place.unsqueeze(1)], dim=1)
        sent = (message >= 0).float().unsqueeze(1)
        baselines, deltas = [], []
        for scorer in scorers:
            user = scorer.of_users(user_columns, user_places)
            baselines.append(user.baseline)
            deltas.append(scorer.delta(user.hidden, row, columns, index, sent))
        base[low:high] = _mean(baselines).cpu()
        delta[first:last] = _mean(deltas).cpu()

    def _calibrated(self, base: Tensor, delta: Tensor) -> Tensor:
        def row(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32)

        raw = base.mul_(row([scaling.base_slope for scaling in self.scalings]))
        raw += delta.mul_(row([scaling.delta_slope for scaling in self.scalings]))
        starts = zip(self.head_scales, self.scalings, strict=True)
        raw += row([scale.start + scaling.shift for scale, scaling in starts])
        for place, scale in enumerate(self.head_scales):
            column, limit = raw[:, place], RAW_LIMIT[scale.link]
            if scale.link == "logit":
                column.clamp_(-limit, limit).sigmoid_().mul_(scale.unit)
            elif scale.link == "log":
                column.clamp_(-limit, limit).exp_().mul_(scale.unit)
            else:
                column.mul_(scale.unit)
        return raw

    def _tensor(self, values: NDArray[np.float32] | NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def save(self, folder: Path) -> None:
        """Write the model into `folder`, aside and renamed: a run that dies leaves the old one or none."""
        from homing.models.files import save_model

        save_model(self, folder)

    @staticmethod
    def load(folder: Path, device: str = "cpu", threads: int = 0) -> ResponseModel:
        """Read a model that predicts exactly what the saved one did.

        Raises:
            WorkspaceError: the folder holds no model, or its files are corrupt or do not belong together.
        """
        from homing.models.files import load_model

        return load_model(folder, device, threads)


def _mean(members: list[Tensor]) -> Tensor:
    return members[0] if len(members) == 1 else torch.stack(members).mean(0)


def _sizes(codes: tuple[tuple[str, int], ...]) -> tuple[int, ...]:
    return tuple(size for _, size in codes)


def _batches(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return [low, high) of rows that hold at most `_BATCH` candidates, or one row with more."""
    bounds, low, rows = [], 0, len(offsets) - 1
    while low < rows:
        high = int(np.searchsorted(offsets, offsets[low] + _BATCH, side="right")) - 1
        high = min(max(high, low + 1), low + _BATCH, rows)  # rows may be empty, and cost something too
        bounds.append((low, high))
        low = high
    return bounds


def _check_messages(features: Features) -> None:
    if len(features) and int(features.message.max()) >= len(features.messages):
        raise InputError(
            f"features.message holds {int(features.message.max())}, but there are {len(features.messages)} "
            "messages; it must be a row in `messages`, or -1 for hold"
        )
