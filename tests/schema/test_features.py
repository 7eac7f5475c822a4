import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.schema import Features, FeatureSpec

SPEC = FeatureSpec(("tenure",), ("value",), ("length",), (("plan", 3),), (("channel", 3),), (("message", 4),))
COUNTS = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def numbered(counts: list[int], first: int = 0, spec: FeatureSpec = SPEC) -> Features:
    """Every row and candidate holds its own number, counted from `first`."""
    rows, n = len(counts), sum(counts)
    candidates = first + np.arange(n)
    return Features(
        spec=spec,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        user=(first + np.arange(rows, dtype=np.float32))[:, None],
        user_codes=np.arange(rows, dtype=np.int32)[:, None] % 3,
        candidate=candidates.astype(np.float32)[:, None],
        candidate_codes=candidates.astype(np.int32)[:, None] % 3,
        message=(candidates % 5 - 1).astype(np.int32),
        messages=np.arange(4, dtype=np.float32)[:, None],
        messages_codes=np.arange(4, dtype=np.int32)[:, None],
    )


@settings(deadline=None, max_examples=50)
@given(COUNTS, st.data())
def test_rows_are_taken_in_the_order_asked_with_all_their_candidates(
    counts: list[int], data: st.DataObject
) -> None:
    features = numbered(counts)
    rows = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=8))
    taken = features.take_rows(np.array(rows, np.int64))
    wanted = [c for row in rows for c in range(features.offsets[row], features.offsets[row + 1])]
    assert taken.candidate[:, 0].tolist() == wanted
    assert taken.message.tolist() == features.message[wanted].tolist()
    assert taken.user[:, 0].tolist() == rows
    assert np.diff(taken.offsets).tolist() == [counts[row] for row in rows]
    assert taken.row.tolist() == [place for place, row in enumerate(rows) for _ in range(counts[row])]


@settings(deadline=None, max_examples=50)
@given(COUNTS, COUNTS)
def test_stacked_shards_can_be_taken_apart(first: list[int], second: list[int]) -> None:
    a, b = numbered(first), numbered(second, first=100)
    both = Features.concatenate([a, b])
    assert len(both) == len(a) + len(b)
    for part, rows in ((a, np.arange(len(first))), (b, len(first) + np.arange(len(second)))):
        again = both.take_rows(rows)
        for name in ("offsets", "user", "user_codes", "candidate", "candidate_codes", "message", "is_hold"):
            assert np.array_equal(getattr(again, name), getattr(part, name))


def test_shards_of_other_features_cannot_be_stacked() -> None:
    other = FeatureSpec(("age",), *[getattr(SPEC, name) for name in list(SPEC.__dataclass_fields__)[1:]])
    with pytest.raises(ValueError, match="different specs"):
        Features.concatenate([numbered([1]), numbered([1], spec=other)])
