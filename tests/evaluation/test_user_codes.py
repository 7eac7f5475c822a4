import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.evaluation.streaming.user_codes import UserCodes


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=40), max_size=6))
@settings(max_examples=60, deadline=None)
def test_codes_are_those_of_a_dictionary(parts):
    codes, known = UserCodes(), {}
    for part in parts:
        found = codes.encode(np.array(part, np.int64))
        for user, code in zip(part, found.tolist(), strict=True):
            assert known.setdefault(user, code) == code
    assert sorted(known.values()) == list(range(codes.count))
    np.testing.assert_array_equal(codes.ids[list(known.values())].view(np.int64), np.array(list(known), int))


def test_codes_outlive_the_growth_of_the_table():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 2**64, 50_000, np.uint64)
    codes = UserCodes()
    first = codes.encode(ids[:3000])
    codes.encode(rng.permutation(ids))
    np.testing.assert_array_equal(codes.encode(ids[:3000]), first)
    np.testing.assert_array_equal(codes.ids[codes.encode(ids)], ids)


def test_ids_that_share_a_slot_are_told_apart(monkeypatch):
    monkeypatch.setattr(UserCodes, "_home", lambda self, words: np.full(len(words), self._mask, np.intp))
    codes = UserCodes()
    assert sorted(codes.encode(np.arange(30)).tolist()) == list(range(30))
    np.testing.assert_array_equal(codes.encode(np.arange(30)), codes.encode(np.arange(30)))
    assert codes.count == 30
