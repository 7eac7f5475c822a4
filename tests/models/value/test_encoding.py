from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from homing.models.value import Encoding
from homing.schema import Features, FeatureSpec, InputError

SPEC = FeatureSpec(
    user=("age",),
    candidate=("since",),
    message=("quality",),
    user_codes=(("plan", 2),),
    candidate_codes=(("channel", 2), ("hour", 24)),
    message_codes=(("message", 60), ("domain", 3)),
)
NAN = np.nan
#: Two rows: hold and two sends, hold and one.
FEATURES = Features(
    spec=SPEC,
    offsets=np.array([0, 3, 5]),
    user=np.array([[1], [3]], np.float32),
    user_codes=np.array([[1], [-1]], np.int32),
    candidate=np.array([[NAN], [2], [NAN], [NAN], [4]], np.float32),
    candidate_codes=np.array([[-1, -1], [0, 7], [1, 8], [-1, -1], [1, 23]], np.int32),
    message=np.array([-1, 0, 1, -1, 1], np.int32),
    messages=np.array([[5], [7]], np.float32),
    messages_codes=np.array([[0, 2], [1, 0]], np.int32),
)


def test_columns_by_hand() -> None:
    found = Encoding.measure(FEATURES)(FEATURES)
    assert found["offsets"].tolist() == [0, 3, 5] and found["action"].tolist() == [0, 1, 2, 0, 3]
    assert found["hold"].tolist() == [True, False, False, False]
    # two values each, which scale to -1 and 1; an unknown code has no place
    np.testing.assert_allclose(found["state"], [[-1, 0, 1], [1, 0, 0]], atol=1e-5)
    # since, whether it is missing, the channel; quality, the domain; neither the hour nor which message it is
    blocks = [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [-1, 0, 1, 0, -1, 0, 0, 1],
        [0, 1, 0, 1, 1, 1, 0, 0],
        [1, 0, 0, 1, 1, 1, 0, 0],
    ]
    np.testing.assert_allclose(found["actions"], blocks, atol=1e-5)


def test_files_bring_back_the_same(tmp_path: Path) -> None:
    encoding = Encoding.measure(FEATURES)
    encoding.save(tmp_path / "encoding.json")
    again = Encoding.load(tmp_path / "encoding.json")
    for name, column in encoding(FEATURES).items():
        np.testing.assert_array_equal(again(FEATURES)[name], column)
    (tmp_path / "encoding.json").write_text("{}")
    with pytest.raises(InputError, match="is no encoding of values"):
        Encoding.load(tmp_path / "encoding.json")


def test_other_columns_are_an_error() -> None:
    wider = dataclasses.replace(FEATURES, user=np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="have 3 numbers and 1 codes of the user, must have 1 and 1"):
        Encoding.measure(FEATURES)(wider)
