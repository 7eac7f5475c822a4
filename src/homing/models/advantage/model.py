"""Learned long-term effects of several objectives, and their files."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from homing.models.advantage.baseline import Baseline
from homing.models.advantage.basis import Basis
from homing.models.advantage.curve import EffectCurve
from homing.models.inputs import ColumnScale
from homing.schema import Features, WorkspaceError

WEIGHTS: Final = "advantage.safetensors"
_FACTS: Final = "advantage.json"
_OF_BASIS: Final = ("centre", "scale", "response_scale", "context_centre", "context_scale")
_SCALE: Final = tuple(field.name for field in dataclasses.fields(ColumnScale))


@dataclass(frozen=True)
class Advantage:
    """What each candidate changes against hold over an objective's horizon, and what hold comes to."""

    objectives: tuple[str, ...]  # those that have a horizon
    horizons: tuple[int, ...]  # days
    basis: Basis
    curves: tuple[EffectCurve, ...]  # one an objective
    baseline: Baseline  # its outcomes are the objectives', over their horizons

    def effects(
        self, features: Features, responses: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return effects against hold on the first day and on the days after it, each [n, objectives].

        Args:
            features: of whole candidate sets, hold first in each row.
            responses: float32 [n, heads] of the response model.
        """
        columns = self.basis(features, responses)
        first = np.stack([curve.first for curve in self.curves], axis=1)
        later = np.stack([curve.later for curve in self.curves], axis=1)
        return columns @ first, columns @ later

    def save(self, folder: Path) -> None:
        """Write two files into `folder`, which is there."""
        arrays: dict[str, NDArray[Any]] = {"baseline.coefficients": self.baseline.coefficients}
        for place, curve in enumerate(self.curves):
            for name in ("first", "later", "covariance"):
                arrays[f"curve{place}.{name}"] = getattr(curve, name)
        for name in _OF_BASIS:
            arrays[f"basis.{name}"] = getattr(self.basis, name)
        for name in _SCALE:
            arrays[f"scale.{name}"] = getattr(self.baseline.scale, name)
        facts = {
            "objectives": self.objectives,
            "horizons": self.horizons,
            "half_lives": [str(curve.half_life) for curve in self.curves],
            "log_evidence": [curve.log_evidence for curve in self.curves],
            "heads": self.basis.heads,
            "channels": self.basis.channels,
            "domains": self.basis.domains,
            "fatigue": self.basis.fatigue,
            "activity": self.basis.activity,
            "cardinalities": self.baseline.cardinalities,
        }
        (folder / WEIGHTS).write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
        (folder / _FACTS).write_text(json.dumps(facts, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Advantage:
        """Read what `save` wrote.

        Raises:
            WorkspaceError: the files are not those of an advantage.
        """
        try:
            facts = json.loads((folder / _FACTS).read_text())
            arrays = load((folder / WEIGHTS).read_bytes())
            return cls(
                tuple(facts["objectives"]),
                tuple(facts["horizons"]),
                Basis(
                    tuple(facts["heads"]),
                    facts["channels"],
                    facts["domains"],
                    tuple(facts["fatigue"]),
                    facts["activity"],
                    *(arrays[f"basis.{name}"] for name in _OF_BASIS),
                ),
                tuple(
                    EffectCurve(
                        float(half_life),
                        arrays[f"curve{place}.first"],
                        arrays[f"curve{place}.later"],
                        arrays[f"curve{place}.covariance"],
                        evidence,
                    )
                    for place, (half_life, evidence) in enumerate(
                        zip(facts["half_lives"], facts["log_evidence"], strict=True)
                    )
                ),
                Baseline(
                    ColumnScale(**{name: arrays[f"scale.{name}"] for name in _SCALE}),
                    tuple(facts["cardinalities"]),
                    arrays["baseline.coefficients"],
                ),
            )
        except Exception as error:
            raise WorkspaceError(
                f"{folder} does not hold readable long-term effects ({type(error).__name__}: {error}); "
                "restore it or train again"
            ) from error
