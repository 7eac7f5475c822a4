import hashlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import chdtrc

from homing.experiments import Experiment, assign, check_layers, hash_ids, in_holdout, place
from homing.schema import InputError
from homing.store.hashing import hash_ids as hash_of_ledger

HASHES = hash_ids(f"user-{number}" for number in range(40_000))
HALVES = {"control": 0.5, "x": 0.5}
SALT = "pepper"


def test_hash_is_that_of_the_ledger():
    ids = ["a", "é", ""]
    assert (
        hash_ids(ids).tolist()
        == hash_of_ledger(pl.Series(ids)).select("hash_hi", "hash_lo").to_numpy().tolist()
    )


def test_ids_are_text():
    with pytest.raises(InputError, match="id 7 is int, must be text"):
        hash_ids([7])


def test_place_by_integers():
    """The same arithmetic with Python's integers, so that no machine can differ."""

    def mix(word):
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        return word ^ (word >> 31)

    key = hashlib.blake2b(b"6:pepperarm/test", digest_size=16, person=b"homing.assign").digest()
    one, two = int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big")
    high, low = HASHES[7].tolist()
    word = mix((mix(high ^ one) + (low ^ two)) % 2**64)
    assert place(HASHES[7:8], SALT, "arm/test")[0] == (mix((word + one) % 2**64) >> 11) / 2**53


def test_arms_never_change():
    """Golden: a change of these is a change of everybody's arm."""
    found = assign(HASHES[:16], Experiment("test", {"a": 0.5, "b": 0.3, "c": 0.2}), SALT)
    assert found.tolist() == GOLDEN


GOLDEN = [0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 2, 0, 1, 0, 1, 0]


def chi_square(table):
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    return chdtrc(degrees, ((table - expected) ** 2 / expected).sum())


def test_places_are_uniform():
    counts = np.bincount((place(HASHES, SALT, "arm/test") * 100).astype(int), minlength=100)
    assert chdtrc(99, ((counts - 400) ** 2 / 400).sum()) > 0.001


@pytest.mark.parametrize(
    "other",
    [
        Experiment("other", HALVES),
        Experiment("other", HALVES, layer="layer"),
        Experiment("test2", {"control": 0.2, "x": 0.8}, traffic=0.7),
    ],
)
def test_layers_are_independent(other):
    a, b = assign(HASHES, Experiment("test", HALVES), SALT), assign(HASHES, other, SALT)
    table = np.array([[((a == i) & (b == j)).sum() for j in (-1, 0, 1)] for i in (0, 1)])
    assert chi_square(table[:, table.sum(0) > 0]) > 0.001


def test_one_layer_is_exclusive():
    first = Experiment("first", HALVES, layer="inbox", range=(0.0, 0.4))
    second = Experiment("second", HALVES, layer="inbox", range=(0.4, 1.0))
    check_layers([first, second])
    a, b = (assign(HASHES, each, SALT) >= 0 for each in (first, second))
    assert not (a & b).any()
    assert (a | b).all()
    assert a.mean() == pytest.approx(0.4, abs=0.01)
    with pytest.raises(InputError, match="must not overlap"):
        check_layers([first, Experiment("third", HALVES, layer="inbox", range=(0.3, 0.5))])
    with pytest.raises(InputError, match="two experiments are named"):
        check_layers([first, first])


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 1), st.floats(0, 1))
def test_ramping_up_moves_nobody(small, large):
    small, large = sorted((small, large))
    few, many = (assign(HASHES[:2000], Experiment("test", HALVES, traffic=t), SALT) for t in (small, large))
    assert (many[few >= 0] == few[few >= 0]).all()


def test_ramp_is_balanced():
    found = assign(HASHES, Experiment("test", HALVES, traffic=0.1), SALT)
    assert (found >= 0).mean() == pytest.approx(0.1, abs=0.006)
    assert (found[found >= 0] == 0).mean() == pytest.approx(0.5, abs=0.032)


def test_holdout():
    held = in_holdout(HASHES, SALT, 0.05)
    assert held.mean() == pytest.approx(0.05, abs=0.005)
    assert in_holdout(HASHES, SALT, 0.1)[held].all()
    found = assign(HASHES, Experiment("test", HALVES), SALT, holdout=0.05)
    assert ((found == -1) == held).all()


def test_an_arm_without_a_share_gets_nobody():
    found = assign(HASHES, Experiment("test", {"a": 0.0, "b": 1.0, "c": 0.0}), SALT)
    assert (found == 1).all()


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: Experiment("t", {"a": 0.5}), "sum to 1"),
        (lambda: Experiment("t", HALVES, traffic=5), "traffic == 5"),
        (lambda: Experiment("t", HALVES, range=(0.5, 0.5)), "must rise"),
        (lambda: in_holdout(HASHES, SALT, 1.0), "holdout == 1"),
        (lambda: place(HASHES[:, 0], SALT, "x"), "must be uint64"),
    ],
)
def test_bad_input(call, rule):
    with pytest.raises(InputError, match=rule):
        call()
