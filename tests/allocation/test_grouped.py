"""Draws in parts: the marginals, the totals, and what is left between parts."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.allocation import Uses
from homing.allocation.grouped import Kinds, draw_part, pick_left, round_left


def everybody(rng, sizes, probability, kind, kinds):
    """Draw for users in parts of these sizes, four candidates each; return the chosen places."""
    starts, parts, uniform = np.cumsum([0, *sizes]), [], rng.random(sum(sizes))
    for first, last in pairwise(starts):
        offsets = 4 * np.arange(last - first + 1)
        mine = slice(4 * first, 4 * last)
        parts.append(draw_part(offsets, probability[mine], kind[mine], kinds, uniform[first:last], rng))
    chosen = []
    for part, drawn, first in zip(parts, round_left(parts, kinds, rng), starts[:-1], strict=True):
        places = (4 * (first + part.left)[:, None] + np.arange(4)).ravel()
        offsets = 4 * np.arange(len(part.left) + 1)
        left = pick_left(drawn, offsets, probability[places], kind[places], uniform[first + part.left])
        mine = part.chosen + 4 * first
        mine[part.left] = places[left] if len(places) else 0
        chosen.append(mine)
    return np.concatenate(chosen), parts


@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 7))
@settings(max_examples=30, deadline=None)
def test_every_kind_gets_its_expectation_rounded_up_or_down(seed, sizes, kinds):
    rng = np.random.default_rng(seed)
    users = sum(sizes)
    probability = rng.dirichlet(np.full(4, 0.5), users).ravel()
    kind = rng.integers(0, kinds, 4 * users).astype(np.int32)
    chosen, parts = everybody(rng, sizes, probability, kind, kinds)
    assert (chosen // 4 == np.arange(users)).all()
    assert (probability[chosen] > 0).all()
    expected = np.bincount(kind, probability, kinds)
    drawn = np.bincount(kind[chosen], minlength=kinds)
    assert (np.abs(drawn - expected) < 1 + 1e-9).all()
    assert all(len(part.left) < max(kinds, 1) for part in parts)


def test_every_user_keeps_its_own_distribution():
    """Frequencies over many draws against the probabilities; a fixed seed, and 4.5 standard errors."""
    rng = np.random.default_rng(5)
    probability = rng.dirichlet(np.ones(4), 7).ravel()
    kind = rng.integers(0, 3, 28).astype(np.int32)
    draws, counts = 1500, np.zeros(28)
    for _ in range(draws):
        counts[everybody(rng, (3, 4), probability, kind, 3)[0]] += 1
    error = np.sqrt(probability * (1 - probability) / draws)
    assert (np.abs(counts / draws - probability) < 4.5 * error).all()


def test_kinds_are_arms_but_one_for_those_of_a_scarce_limit():
    """Arms 1 and 2 use limit 0 of 1000; arms 2 and 3 limit 1, of 10 units only."""
    uses = Uses.from_dense(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    kinds = Kinds.of(uses, np.array([1000.0, 10.0]))
    assert kinds.of_arm[2] == kinds.of_arm[3]
    assert len({int(kind) for kind in kinds.of_arm}) == len(kinds) == 3
    assert kinds.merged[kinds.of_arm].tolist() == [-1, -1, 1, 1]
    # limit 0: a rounded arm, and up to 10 of whom each may or may not use it; limit 1 is one kind
    assert kinds.deviations(uses, np.array([1000.0, 10.0])) == pytest.approx([np.sqrt(0.25 + 2.5), 0.0])


def test_a_limit_that_one_arm_uses_does_not_stray():
    uses = Uses.from_dense(np.array([[0.0], [2.0]]))
    assert Kinds.of(uses, np.array([1e6])).deviations(uses, np.array([1e6])).tolist() == [0.0]


def test_scarce_is_a_matter_of_sends_and_not_of_units():
    """A hundred thousand sends of a cent are no scarce limit."""
    uses = Uses.from_dense(np.array([[0, 0], [1, 0.01], [1, 0.01]]))
    assert (Kinds.of(uses, np.array([2e5, 1e3])).merged == -1).all()
    assert (Kinds.of(uses, np.array([2e5, 0.5])).merged >= 0).any()
