import hashlib

import numpy as np
import pytest

from homing.simulator.identifiers import id_bytes, id_text, md5_words


def test_ids_are_padded_numbers_behind_a_prefix() -> None:
    assert id_text(id_bytes("user-", np.array([0, 123, 999_999]), 6)).tolist() == [
        "user-000000",
        "user-000123",
        "user-999999",
    ]


@pytest.mark.parametrize("number", [-1, 1000])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="at most 3 digits"):
        id_bytes("x", np.array([number]), 3)


@pytest.mark.parametrize("length", [0, 1, 11, 54, 55])
def test_md5_equals_the_standard_library(length: int) -> None:
    rows = np.random.default_rng(length).integers(0, 256, (50, length)).astype(np.uint8)
    words = md5_words(rows)
    for row, (high, low) in zip(rows, words.tolist(), strict=True):
        digest = hashlib.md5(row.tobytes()).digest()
        assert (high, low) == (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big"))


def test_md5_is_the_same_beyond_one_chunk() -> None:
    text = id_bytes("opp-", np.arange(40_000), 8)
    digest = hashlib.md5(b"opp-00039999").digest()
    assert md5_words(text)[-1, 0] == int.from_bytes(digest[:8], "big")


def test_md5_refuses_more_than_a_block() -> None:
    with pytest.raises(ValueError, match="at most 55"):
        md5_words(np.zeros((1, 56), np.uint8))
