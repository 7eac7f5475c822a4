import numpy as np
import pytest

from homing.evaluation import LogFaults, chosen_faults, log_faults
from homing.schema import InputError


def test_a_sound_log_has_none():
    found = log_faults([0.5, 0.5, 1.0], [0, 2, 3], [1, 2], [0.5, 1.0])
    assert found.passed
    assert found.certain == 0  # one candidate: there was nothing to draw


def test_each_fault_by_hand():
    probability = [0.5, 0.4, 1.2, -0.2, 0.0, 1.0, 0.6, 0.4]
    found = log_faults(probability, [0, 2, 4, 6, 8], [0, 2, 4, 1], [0.5, 1.2, 0.0, 0.6])
    assert (found.unnormalised, found.out_of_range, found.impossible, found.outside) == (1, 1, 1, 1)
    assert found.warnings == (
        "1 of 4 decisions chose a candidate that is not in their set",
        "1 of 4 decisions have probabilities that do not sum to 1",
        "1 of 4 decisions have a probability below 0 or above 1",
        "1 of 4 decisions chose a candidate of probability 0",
    )


def test_a_propensity_that_is_not_the_choices_probability():
    found = log_faults([0.5, 0.5, 0.9, 0.1], [0, 2, 4], [0, 3], [0.5, 0.9])
    assert found.contradicted == 1
    assert "logged propensity that is not the probability of their choice" in found.warnings[0]


def test_a_log_that_drew_nothing_is_told_from_one_that_is_sometimes_sure():
    sure = np.tile([1.0, 0.0], 10)
    drawn = np.tile([0.5, 0.5], 10)
    offsets = np.arange(0, 21, 2)
    choice = offsets[:-1]
    assert "drew nothing" in log_faults(sure, offsets, choice).warnings[0]
    mixed = np.concatenate([sure[:8], drawn[8:]])
    assert log_faults(mixed, offsets, choice).certain == 4
    assert log_faults(mixed, offsets, choice).passed


def test_bad_input():
    with pytest.raises(InputError, match="choice has 1 rows"):
        log_faults([0.5, 0.5, 1.0], [0, 2, 3], [1])


def test_what_propensities_of_choices_alone_contradict_by_hand():
    # alone with 1: sound; alone with 0.4: does not sum; of three with 1: drew nothing; none: not in the set
    found = chosen_faults([1.0, 0.4, 1.0, 0.5, 0.5, 0.0, 1.2], [1, 1, 3, 2, 0, 2, 2])
    assert found == LogFaults(
        7, outside=1, unnormalised=1, out_of_range=1, impossible=1, contradicted=0, certain=1
    )
    assert list(found.broken) == ["outside", "unnormalised", "out_of_range", "impossible"]
    with pytest.raises(InputError, match="candidates has a minimum of -1"):
        chosen_faults([1.0], [-1])


def test_faults_of_parts_add_up_to_those_of_the_whole():
    chance, offsets, choice = [0.5, 0.4, 0.7, 0.3, 1.0, 0.0], [0, 2, 4, 6], [0, 1, 5]
    whole = log_faults(chance, offsets, choice)
    parts = log_faults(chance[:2], [0, 2], [0]) + log_faults(chance[2:], [0, 2, 4], [-1, 3])
    assert parts == whole
    assert LogFaults() + whole == whole
    assert LogFaults().passed
