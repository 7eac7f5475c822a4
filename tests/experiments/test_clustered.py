import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.experiments import cluster_levels, compare, switchback_levels
from homing.schema import InputError

ARM = np.array(["control"] * 3 + ["new"] * 5)
CLUSTER = np.array([0, 0, 1, 2, 2, 3, 3, 4])
Y = np.array([1.0, 3, 5, 2, 4, 6, 8, 10])


def test_by_hand():
    """Control: mean 3, residuals of clusters -2 and 2, shares 2/3 and 1/3: 4/9 (1 / (1/3) + 1 / (2/3))."""
    found = cluster_levels(Y, ARM, CLUSTER)
    assert found.arms == ("control", "new")
    assert found.value == pytest.approx([3, 6])
    assert found.noise[0] == pytest.approx(4 / 9 * (3 + 1.5))
    assert found.noise[1] == pytest.approx((36 / (3 / 5) + 4 / (3 / 5) + 16 / (4 / 5)) / 25)


def by_matrices(y, arm, cluster):
    """CR2 and its degrees of freedom for each arm as a regression on an intercept."""
    found = []
    for label in ("control", "new"):
        here = arm == label
        rows, ids = here.sum(), cluster[here]
        x = np.ones((rows, 1))
        hat = x @ x.T / rows
        residual, g, variance = y[here] - y[here].mean(), [], 0.0
        for each in np.unique(ids):
            mine = ids == each
            values, vectors = np.linalg.eigh(np.eye(mine.sum()) - hat[np.ix_(mine, mine)])
            turn = vectors / np.sqrt(values) @ vectors.T @ x[mine, 0] / rows
            variance += (turn @ residual[mine]) ** 2
            g.append((np.eye(rows) - hat)[:, mine] @ turn)
        values = np.linalg.eigvalsh(np.array(g) @ np.array(g).T)
        found.append((variance, values.sum() ** 2 / (values**2).sum()))
    return np.array(found).T


def test_equals_bell_and_mccaffrey_by_matrices():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(12), rng.integers(1, 9, 12))
    arm = np.where(cluster < 5, "control", "new")
    y = rng.normal(size=12)[cluster] + rng.normal(size=len(cluster))
    found = cluster_levels(y, arm, cluster)
    variance, degrees = by_matrices(y, arm, cluster)
    assert found.noise == pytest.approx(variance)
    assert found.count == pytest.approx(degrees + 1)


def test_clusters_of_one_size_are_welch_on_their_means():
    rng = np.random.default_rng(1)
    y, cluster = rng.normal(size=40), np.repeat(np.arange(10), 4)
    arm = np.where(cluster < 4, "control", "new")
    found, means = cluster_levels(y, arm, cluster), y.reshape(10, 4).mean(axis=1)
    assert found.noise == pytest.approx([means[:4].var(ddof=1) / 4, means[4:].var(ddof=1) / 6])
    assert found.count == pytest.approx([4, 6])
    one_row = cluster_levels(means, np.where(np.arange(10) < 4, "control", "new"), np.arange(10))
    assert one_row.noise == pytest.approx(found.noise)


def test_a_weight_is_a_number_of_rows():
    want = cluster_levels(np.repeat(Y, 3), np.repeat(ARM, 3), np.repeat(CLUSTER, 3))
    found = cluster_levels(Y, ARM, CLUSTER, weight=np.full(8, 3.0))
    assert found.value == pytest.approx(want.value)
    assert found.noise == pytest.approx(want.noise)
    assert found.count == pytest.approx(want.count)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(8)), st.floats(-10, 10), st.floats(0.1, 10))
def test_order_and_units_do_not_matter(order, shift, scale):
    want, place = cluster_levels(Y, ARM, CLUSTER), np.array(order)
    found = cluster_levels(shift + scale * Y[place], ARM[place], 100 - CLUSTER[place])
    assert found.value == pytest.approx(shift + scale * want.value)
    assert found.noise == pytest.approx(scale**2 * want.noise)
    assert found.count == pytest.approx(want.count)


def test_one_cluster_has_no_interval():
    found = compare(cluster_levels(Y[2:], ARM[2:], CLUSTER[2:]), "new")
    assert np.isnan(found.std_error)
    assert found.value == pytest.approx(1)


def test_few_clusters_of_different_size_are_covered():
    rng, held, runs = np.random.default_rng(2), 0, 400
    cluster = np.repeat(np.arange(14), [2, 3, 4, 5, 6, 20, 30] * 2)
    arm = np.where(cluster < 7, "control", "new")
    for _ in range(runs):
        y = rng.normal(size=14)[cluster] + rng.normal(size=len(cluster)) + (arm == "new")
        found = compare(cluster_levels(y, arm, cluster), "new")
        held += found.low < 1 < found.high
    assert held / runs == pytest.approx(0.95, abs=0.035)


def test_carry_over_is_washed_out():
    """The effect is 2; a unit of the arm before lasts for two steps. Six steps a period."""
    rng = np.random.default_rng(3)
    drawn = rng.random(400) < 0.5
    period, since = np.repeat(np.arange(400), 6), np.tile(np.arange(6), 400)
    before = np.where(since < 2, np.r_[False, drawn[:-1]][period], drawn[period])
    y = 2.0 * before + rng.normal(size=2400)
    arm = np.where(drawn[period], "new", "control")
    washed = compare(switchback_levels(y, arm, period, since, 2.0), "new")
    assert washed.low < 2 < washed.high
    left = compare(switchback_levels(y, arm, period, since, 0.0), "new")
    assert left.high < 2
    kept = since >= 2
    assert washed.value == pytest.approx(y[drawn[period] & kept].mean() - y[~drawn[period] & kept].mean())


def test_places_have_periods_of_their_own():
    arm = np.array(["new", "control", "control", "new"])
    options = {"since_start": np.zeros(4), "washout": 0.0}
    found = switchback_levels(Y[:4], arm, [0, 0, 1, 1], place=["a", "b", "a", "b"], **options)
    assert found.value == pytest.approx([4, 1.5])
    assert found.count == pytest.approx([2, 2])
    with pytest.raises(InputError, match="in two arms"):
        switchback_levels(Y[:4], arm, [0, 0, 1, 1], **options)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"arm": np.roll(ARM, 1)}, "in two arms"),
        ({"outcome": Y * np.nan}, "missing or infinite"),
        ({"cluster": [1]}, "cluster has shape"),
        ({"weight": Y - 1}, "must be > 0"),
    ],
)
def test_bad_input(change, rule):
    with pytest.raises(InputError, match=rule):
        cluster_levels(**({"outcome": Y, "arm": ARM, "cluster": CLUSTER} | change))


def test_too_long_a_washout():
    with pytest.raises(InputError, match="leaves nothing of arm control"):
        switchback_levels(Y, ARM, CLUSTER, np.where(ARM == "new", 5.0, 1.0), 2.0)
    with pytest.raises(InputError, match="must be >= 0"):
        switchback_levels(Y, ARM, CLUSTER, Y, -1.0)
