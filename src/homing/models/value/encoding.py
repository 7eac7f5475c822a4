"""From features to the numbers that a value network reads: states of rows, blocks of candidates."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from homing.models.inputs import ColumnReader, ColumnScale, measure_columns
from homing.schema import Features
from homing.schema.errors import InputError

_WIDEST: Final = 16  # places up to which a code is one column a place; wider ones are left out
_FORMAT: Final = "homing value encoding 1"


@dataclass(frozen=True)
class Encoding:
    """How numeric columns of the user, the candidate and the message are scaled, and their codes' sizes.

    Codes of more than 16 places, such as which message it is, are left out: messages are told by their
    features. Hold's block is zeros.
    """

    scales: tuple[ColumnScale, ...]  # of the user's, the candidate's and the message's columns
    sizes: tuple[tuple[int, ...], ...]  # of the codes of each

    @classmethod
    def measure(cls, features: Features) -> Encoding:
        """Return the encoding of a sample's columns.

        Args:
            features: of whole candidate sets.
        """
        spec, sent = features.spec, np.flatnonzero(~features.is_hold)
        numeric = features.user, features.candidate[sent], features.messages
        codes = spec.user_codes, spec.candidate_codes, spec.message_codes
        return cls(
            tuple(measure_columns(values) for values in numeric),
            tuple(tuple(size for _, size in named) for named in codes),
        )

    def __call__(self, features: Features) -> dict[str, NDArray[Any]]:
        """Return state, offsets, action, actions and hold, as `make_transitions` and `ValueModel` take them.

        The first block is hold's, each other candidate has one of its own.

        Args:
            features: of whole candidate sets.

        Raises:
            InputError: the features have other columns than those that were measured.
        """
        tables = {
            "user": (features.user, features.user_codes),
            "candidate": (features.candidate, features.candidate_codes),
            "message": (features.messages, features.messages_codes),
        }
        for (name, (numeric, codes)), scale, sizes in zip(
            tables.items(), self.scales, self.sizes, strict=True
        ):
            have, want = (numeric.shape[1], codes.shape[1]), (len(scale.centre), len(sizes))
            if have != want:
                raise InputError(
                    f"features have {have[0]} numbers and {have[1]} codes of the {name}, must have {want[0]} "
                    f"and {want[1]} as when the encoding was measured; use the view that it was measured with"
                )
        sent = np.flatnonzero(~features.is_hold)
        of_message = self._columns(2, *tables["message"])
        actions = np.concatenate(
            [
                self._columns(1, features.candidate[sent], features.candidate_codes[sent]),
                of_message[features.message[sent]],
            ],
            axis=1,
        )
        action = np.zeros(len(features), np.int32)
        action[sent] = np.arange(1, len(sent) + 1)
        return {
            "state": self._columns(0, *tables["user"]),
            "offsets": features.offsets,
            "action": action,
            "actions": np.concatenate([np.zeros((1, actions.shape[1]), np.float32), actions]),
            "hold": np.arange(len(sent) + 1) == 0,
        }

    def _columns(
        self, table: int, numeric: NDArray[np.float32], codes: NDArray[np.int32]
    ) -> NDArray[np.float32]:
        reader = ColumnReader(self.scales[table], torch.device("cpu"))
        plain = reader(torch.from_numpy(np.ascontiguousarray(numeric))).numpy()
        one_hot = [
            (codes[:, place, None] == np.arange(size)).astype(np.float32)
            for place, size in enumerate(self.sizes[table])
            if size <= _WIDEST
        ]
        return np.concatenate([plain, *one_hot], axis=1)

    def save(self, path: Path) -> None:
        """Write a JSON file."""
        scales = [
            {field.name: getattr(scale, field.name).tolist() for field in dataclasses.fields(scale)}
            for scale in self.scales
        ]
        path.write_text(json.dumps({"format": _FORMAT, "scales": scales, "sizes": self.sizes}))

    @classmethod
    def load(cls, path: Path) -> Encoding:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing, damaged, or of another kind.
        """
        try:
            told: dict[str, Any] = json.loads(path.read_text())
            if told["format"] != _FORMAT:
                raise ValueError(f"format == {told['format']!r}")
            return cls(tuple(map(_scale, told["scales"])), tuple(map(tuple, told["sizes"])))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is no encoding of values ({error}); save the log again") from error


def _scale(told: dict[str, list[float]]) -> ColumnScale:
    columns: dict[str, Any] = {
        name: np.array(values, np.int64 if name == "flagged" else np.float32) for name, values in told.items()
    }
    return ColumnScale(**columns)
