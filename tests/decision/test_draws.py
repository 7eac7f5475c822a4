from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.decision import draw, softmax, uniforms_and_ids
from homing.decision.draws import draw_with_place
from homing.schema import format_ids
from homing.schema.mixing import mix64
from homing.schema.times import DAY, HOUR

from .worlds import offsets_of

USERS = 200_000


def chi_square_is_plausible(counts, expected):
    """Six standard deviations either way of a chi-square with many degrees of freedom."""
    cells = len(counts)
    statistic = ((counts - expected) ** 2 / expected).sum()
    return abs(statistic - (cells - 1)) < 6 * np.sqrt(2 * (cells - 1))


def users(kind):
    n = np.arange(USERS, dtype=np.uint64)
    if kind == "random":
        return np.random.default_rng(0).integers(0, 2**64, (USERS, 2), dtype=np.uint64)
    if kind == "counting low":
        return np.stack([np.zeros_like(n), n], axis=1)
    return np.stack([n << np.uint64(44), np.zeros_like(n)], axis=1)


def test_known_vectors():
    """These never change: a change would redraw every decision of every workspace."""
    hashes = np.array([[0, 0], [1, 2], [2**64 - 1, 2**63]], np.uint64)
    uniform, ids = uniforms_and_ids(hashes, np.array([0, 1_700_000_000_000_000, -1]), "homing")
    assert uniform.tolist() == KNOWN_UNIFORMS
    assert format_ids(ids).tolist() == KNOWN_IDS


def test_the_mixer_is_splitmix64():
    # the first output of the reference generator seeded with 0 is its finaliser at the golden gamma
    assert mix64(np.array([0x9E3779B97F4A7C15], np.uint64)).tolist() == [0xE220A8397B1DCDAF]


@pytest.mark.parametrize("kind", ["random", "counting low", "counting high"])
def test_uniforms_are_uniform_and_independent_over_users_epochs_and_salts(kind):
    hashes = users(kind)
    epoch = np.full(USERS, 20_000 * DAY)
    base, _ = uniforms_and_ids(hashes, epoch, "salt")
    assert base.min() >= 0
    assert base.max() < 1
    assert chi_square_is_plausible(np.bincount((base * 1000).astype(int), minlength=1000), USERS / 1000)
    pairs = [
        (base[:-1], base[1:]),  # serial: one user after another
        (base, uniforms_and_ids(hashes, epoch + DAY, "salt")[0]),
        (base, uniforms_and_ids(hashes, epoch + 1, "salt")[0]),
        (base, uniforms_and_ids(hashes, epoch, "salt2")[0]),
        (base, uniforms_and_ids(hashes[:, ::-1], epoch, "salt")[0])
        if kind == "random"
        else (base, base[::-1]),
    ]
    for left, right in pairs:
        cell = (left * 32).astype(int) * 32 + (right * 32).astype(int)
        assert chi_square_is_plausible(np.bincount(cell, minlength=1024), len(left) / 1024)


def test_one_users_epochs_are_independent():
    epochs = 20_000 * DAY + np.arange(USERS) * HOUR
    uniform, ids = uniforms_and_ids(np.tile(users("random")[:1], (USERS, 1)), epochs, "salt")
    cell = (uniform[:-1] * 32).astype(int) * 32 + (uniform[1:] * 32).astype(int)
    assert chi_square_is_plausible(np.bincount(cell, minlength=1024), len(cell) / 1024)
    assert len(np.unique(ids, axis=0)) == USERS


@pytest.mark.parametrize("kind", ["random", "counting low", "counting high"])
def test_ids_differ_between_users_and_each_of_their_bits_is_fair(kind):
    _, ids = uniforms_and_ids(users(kind), np.full(USERS, 20_000 * DAY), "salt")
    assert len(np.unique(ids, axis=0)) == USERS
    for word in (0, 1):
        bits = np.unpackbits(ids[:, word].copy().view(np.uint8)).reshape(USERS, 64).mean(axis=0)
        assert np.abs(bits - 0.5).max() < 6 * 0.5 / np.sqrt(USERS)


def test_an_id_gives_back_its_user_so_two_users_cannot_share_one_within_an_epoch():
    hashes, epoch = users("random")[:1000], np.full(1000, 20_000 * DAY)
    _, ids = uniforms_and_ids(hashes, epoch, "salt")
    keys = np.frombuffer(blake2b(b"salt", digest_size=48, person=b"homing.draws").digest(), ">u8")
    keys = keys.astype(np.uint64)
    tweak = mix64(mix64(epoch.astype(np.uint64) ^ keys[4]) + keys[4])
    left, right = ids[:, 0], ids[:, 1]
    for key in keys[3::-1]:
        left, right = right ^ mix64(mix64(left + key) ^ tweak), left
    assert (np.stack([left, right], axis=1) == hashes).all()


def test_one_bit_of_a_user_changes_half_the_bits_of_the_id():
    user = np.array([[0x0123456789ABCDEF, 0xFEDCBA9876543210]], np.uint64)
    flipped = np.repeat(user, 128, axis=0)
    for bit in range(128):
        flipped[bit, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    _, ids = uniforms_and_ids(np.concatenate([user, flipped]), np.full(129, DAY), "salt")
    changed = np.unpackbits((ids[1:] ^ ids[0]).view(np.uint8), axis=1).sum(axis=1)
    assert changed.min() > 64 - 6 * np.sqrt(32)
    assert changed.max() < 64 + 6 * np.sqrt(32)


def test_a_row_has_the_same_randomness_alone_as_among_others():
    hashes, epoch = users("random")[:50], np.arange(50) * HOUR
    uniform, ids = uniforms_and_ids(hashes, epoch, "salt")
    for row in range(50):
        alone, name = uniforms_and_ids(hashes[row : row + 1], epoch[row : row + 1], "salt")
        assert alone[0] == uniform[row]
        assert (name[0] == ids[row]).all()


def test_the_draw_is_the_inverse_of_the_distribution_function():
    p, offsets = np.array([0.25, 0.75, 1.0, 0.5, 0.0, 0.5]), np.array([0, 2, 3, 6])
    for uniforms, expected in [
        ((0.0, 0.0, 0.0), [0, 2, 3]),
        ((0.2499, 0.5, 0.4999), [0, 2, 3]),
        ((0.25, 0.9999, 0.5), [1, 2, 5]),
        ((1 - 2**-53,) * 3, [1, 2, 5]),
    ]:
        assert draw(p, offsets, np.array(uniforms)).tolist() == expected


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1 - 2**-53, 2**-53, None]))
def test_a_candidate_of_probability_zero_is_never_drawn(seed, fixed):
    rng = np.random.default_rng(seed)
    offsets = offsets_of(rng.integers(1, 30, 200))
    weight = rng.random(offsets[-1]) ** 20 * (rng.random(offsets[-1]) < 0.5)
    weight[offsets[:-1] + rng.integers(0, np.diff(offsets))] += 0.1
    p = weight / np.repeat(np.add.reduceat(weight, offsets[:-1]), np.diff(offsets))
    uniform = np.full(200, fixed) if fixed is not None else rng.random(200)
    chosen, place = draw_with_place(p, offsets, uniform)
    assert (p[chosen] > 0).all()
    assert (offsets[:-1] <= chosen).all()
    assert (chosen < offsets[1:]).all()
    assert (place >= 0).all()
    assert (place < 1).all()


def test_a_row_draws_alone_what_it_draws_behind_very_many_others():
    rng = np.random.default_rng(3)
    offsets = offsets_of(rng.integers(1, 40, 30_000))
    p = softmax(rng.normal(size=offsets[-1]), offsets, 0.5, 0.05)
    # at the very edges between candidates, where any rounding of a running sum would show
    uniform = np.array([p[a : rng.integers(a, b) + 1].sum() for a, b in pairwise(offsets)])
    uniform = np.minimum(uniform, 1 - 2**-53)
    together = draw(p, offsets, uniform)
    for row in range(0, 30_000, 17):
        a, b = offsets[row], offsets[row + 1]
        assert draw(p[a:b], np.array([0, b - a]), uniform[row : row + 1])[0] + a == together[row]


def test_frequencies_match_probabilities_over_users():
    rng = np.random.default_rng(1)
    p = softmax(rng.normal(size=8), np.array([0, 8]), 1.0, 0.05)
    uniform, _ = uniforms_and_ids(users("counting low"), np.full(USERS, DAY), "salt")
    chosen = draw(np.tile(p, USERS), np.arange(USERS + 1) * 8, uniform) % 8
    counts = np.bincount(chosen, minlength=8)
    assert ((counts - USERS * p) ** 2 / (USERS * p)).sum() < 35  # chi-square, 7 degrees: p = 1e-5


def test_the_place_within_the_interval_is_uniform_given_the_choice():
    p, n = np.array([0.7, 0.3]), 100_000
    uniform, _ = uniforms_and_ids(users("counting low")[:n], np.full(n, DAY), "salt")
    chosen, place = draw_with_place(np.tile(p, n), np.arange(n + 1) * 2, uniform)
    for candidate in (0, 1):
        inside = place[chosen % 2 == candidate]
        assert chi_square_is_plausible(
            np.bincount((inside * 100).astype(int), minlength=100), len(inside) / 100
        )


def test_what_is_not_a_distribution_is_refused():
    offsets, uniform = np.array([0, 2]), np.array([0.5])
    with pytest.raises(ValueError, match="row 0 sum to"):
        draw(np.array([0.5, 0.4]), offsets, uniform)
    with pytest.raises(ValueError, match=">= 0"):
        draw(np.array([1.5, -0.5]), offsets, uniform)
    with pytest.raises(ValueError, match="NaN"):
        draw(np.array([1.0, np.nan]), offsets, uniform)


def test_no_rows():
    assert len(draw(np.zeros(0), np.zeros(1, np.int64), np.zeros(0))) == 0
    uniform, ids = uniforms_and_ids(np.zeros((0, 2), np.uint64), np.zeros(0, np.int64), "salt")
    assert uniform.shape == (0,)
    assert ids.shape == (0, 2)


KNOWN_UNIFORMS = [0.4632195070082058, 0.9944202610836469, 0.9099682106400514]
KNOWN_IDS = [
    "d05b8fc453b86342fcaf292dd542b222",
    "a2c23eda0155511ec3179206ffaa2d02",
    "af7613d0fbfbe4fd9f63a94b094503d1",
]
