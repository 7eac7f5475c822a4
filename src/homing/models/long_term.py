"""Values that look beyond the next days: a response model with learned long-term effects over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homing.models.advantage import Advantage
from homing.models.advantage.model import WEIGHTS
from homing.models.response import ResponseModel
from homing.models.summary import TrainingSummary
from homing.schema import Features, FeatureSpec


@dataclass(frozen=True)
class LongTermModel:
    """A value for each objective: over its horizon where it has one, else the response model's."""

    response: ResponseModel  # the objectives' heads first
    advantage: Advantage
    objectives: tuple[str, ...]  # all of them

    @property
    def spec(self) -> FeatureSpec:
        """The columns that features must have."""
        return self.response.spec

    @property
    def summary(self) -> TrainingSummary:
        """Of the response model's training."""
        return self.response.summary

    def predict(self, features: Features) -> NDArray[np.float32]:
        """Return the expected outcome of every candidate, float32 [n, objectives].

        Over a horizon that is what the state alone foretells plus the candidate's effect against hold, if
        the logging policy decides from the next epoch on.

        Args:
            features: of whole candidate sets, hold first in each row.

        Raises:
            InputError: the features have other columns than the model was trained on.
        """
        responses = self.response.predict(features)
        values = responses[:, : len(self.objectives)].copy()
        first, later = self.advantage.effects(features, responses)
        base = self.advantage.baseline.predict(features)[features.row]
        for place, name in enumerate(self.advantage.objectives):
            values[:, self.objectives.index(name)] = base[:, place] + first[:, place] + later[:, place]
        return values

    def effects(
        self, features: Features, responses: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return effects against hold on the first day and later, float64 [n, objectives].

        For an objective without a horizon all of it counts as of the first day.

        Args:
            features: of whole candidate sets, hold first in each row.
            responses: float32 [n, heads] that the response model predicts for them; None: they are computed.

        Raises:
            InputError: the features have other columns than the model was trained on.
        """
        responses = self.response.predict(features) if responses is None else responses
        hold = features.offsets[features.row]
        now = (responses - responses[hold])[:, : len(self.objectives)].astype(np.float64)
        then = np.zeros_like(now)
        first, later = self.advantage.effects(features, responses)
        for place, name in enumerate(self.advantage.objectives):
            column = self.objectives.index(name)
            now[:, column], then[:, column] = first[:, place], later[:, place]
        return now, then

    def save(self, folder: Path) -> None:
        """Write the model into `folder`."""
        self.response.save(folder)
        self.advantage.save(folder)


def load_value_model(
    folder: Path, objectives: tuple[str, ...], device: str = "cpu", threads: int = 0
) -> ResponseModel | LongTermModel:
    """Read a model that predicts exactly what the saved one did, with or without long-term effects.

    Raises:
        WorkspaceError: the folder holds no model, or its files are corrupt.
    """
    response = ResponseModel.load(folder, device, threads)
    if not (folder / WEIGHTS).is_file():
        return response
    return LongTermModel(response, Advantage.load(folder), objectives)
