"""Where obp 0.5.7 and Homing differ on purpose: for each case both numbers, and the proof which is right.

Runs where benchmarks/estimators.py does:
    PYTHONPATH=src /tmp/obp/bin/python benchmarks/obp_faults.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from homing.evaluation import (
    Shrinkage,
    bias_bound,
    dr,
    importance_weights,
    ips,
    kernel_dr,
    kernel_weights,
    marginal_weights,
    mrdr_weights,
    precision_weighted,
    select_by_mse,
    select_embedding,
    shrink,
    snips,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import obp.dataset
    import obp.ope as peer

Lines = Iterator[str]


def log_of(rows: int, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """obp's arguments for two actions, the first logged with 0.8 and wanted with 0.5; and the weights."""
    rng = np.random.default_rng(seed)
    action = (rng.random(rows) < 0.2).astype(int)
    propensity = np.where(action, 0.2, 0.8)
    theirs = {
        "reward": rng.random(rows) + action,
        "action": action,
        "pscore": propensity,
        "action_dist": np.full((rows, 2, 1), 0.5),
        "position": np.zeros(rows, int),
    }
    return theirs, importance_weights(np.full(rows, 0.5), propensity)


def snips_interval() -> Lines:
    """SNIPS of a constant outcome is that constant in every resample: its denominator moves, too."""
    theirs, weight = log_of(500)
    theirs["reward"] = np.ones(500)
    estimator = peer.SelfNormalizedInverseProbabilityWeighting()
    found = estimator.estimate_interval(**theirs, random_state=0, n_bootstrap_samples=2000)
    ours = snips(theirs["reward"], weight)
    low, high = found["95.0% CI (lower)"], found["95.0% CI (upper)"]
    yield f"outcome always 1, 500 rows: obp [{low:.3f}, {high:.3f}], ours [{ours.low:.3f}, {ours.high:.3f}]"
    intervals: dict[str, list[tuple[float, float]]] = {"obp": [], "ours": []}
    for seed in range(300):
        theirs, weight = log_of(500, seed)
        theirs["reward"] += 9.0
        truth = 9.0 + 0.5 + 0.5
        found = estimator.estimate_interval(**theirs, random_state=seed, n_bootstrap_samples=200)
        ours = snips(theirs["reward"], weight)
        intervals["obp"].append((found["95.0% CI (lower)"], found["95.0% CI (upper)"]))
        intervals["ours"].append((ours.low, ours.high))
    for name, pairs in intervals.items():
        covers = np.mean([low <= truth <= high for low, high in pairs])
        width = np.ptp(pairs, axis=1).mean()
        yield f"outcomes near 10, 300 logs: {name} covers {covers:.1%}, mean width {width:.3f}"


def joint_embedding() -> Lines:
    """An outcome that goes by the embedding is estimated right from a log in exact proportion.

    Two messages with two dimensions that go together: (0, 0) and (1, 1). SNMIPW multiplies the policies'
    marginal probabilities of the dimensions, not each message's.
    """
    logging, target = np.array([0.8, 0.2]), np.array([0.4, 0.6])
    known = np.zeros((2, 2, 2))
    known[0, 0], known[1, 1] = 1.0, 1.0
    action = np.repeat([0, 1], [800, 200])  # a log in exact proportion
    outcome = np.where(action, 3.0, 1.0)
    theirs = {
        "reward": outcome,
        "action": action,
        "action_embed": np.column_stack([action, action]),
        "pi_b": np.tile(logging, (1000, 1))[:, :, None],
        "action_dist": np.tile(target, (1000, 1))[:, :, None],
        "p_e_a": known,
    }
    truth = float(target @ [1.0, 3.0])
    likelihood = (np.arange(2) == action[:, None]).astype(float).ravel()
    weight = marginal_weights(np.tile(target, 1000), np.tile(logging, 1000), likelihood, np.arange(1001) * 2)
    right = peer.MarginalizedInverseProbabilityWeighting(n_actions=2).estimate_policy_value(**theirs)
    wrong = peer.SelfNormalizedMarginalizedInverseProbabilityWeighting(n_actions=2).estimate_policy_value(
        **theirs
    )
    ours = snips(outcome, weight).value
    yield f"truth {truth:.3f}: obp MIPW {right:.3f}, obp SNMIPW {wrong:.3f}, ours {ours:.3f}"


def embedding_selection() -> Lines:
    """When every subset passes, the last and narrowest is SLOPE's choice; obp returns the one before it."""
    rng = np.random.default_rng(1)
    counts = {"rows": 0, "same": 0, "one before": 0}
    for _ in range(40):
        rows = 300
        known = rng.dirichlet(np.ones(3), (3, 4)).transpose(1, 2, 0)
        logging, target = (rng.dirichlet(np.ones(4), rows) for _ in range(2))
        action = np.minimum((rng.random((rows, 1)) > logging.cumsum(axis=1)).sum(axis=1), 3)
        embedding = (rng.random((rows, 1, 3)) > known[action].cumsum(axis=1)).sum(axis=1)
        reward = rng.normal(1.0, 1.0, rows)
        tried: dict[tuple[int, ...], float] = {}

        def with_dimensions(part: tuple[int, ...], data=(known, embedding, target, logging, reward, tried)):
            known, embedding, target, logging, reward, tried = data
            likelihood = np.prod([known[:, embedding[:, d], d].T for d in part], axis=0)
            bounds = np.arange(len(reward) + 1) * 4
            weight = marginal_weights(target.ravel(), logging.ravel(), likelihood.ravel(), bounds)
            found = ips(reward, weight)
            tried[part] = found.value
            return found

        _, selection = select_embedding(with_dimensions, 3)
        if selection.place < 6:
            continue  # some subset failed
        value = peer.MarginalizedInverseProbabilityWeighting(
            n_actions=4, embedding_selection_method="exact"
        ).estimate_policy_value(
            reward=reward,
            action=action,
            action_embed=embedding,
            pi_b=logging[:, :, None],
            action_dist=target[:, :, None],
            p_e_a=known,
        )
        by_width = sorted(
            ((d,) for d in range(3)), key=lambda part: with_dimensions(part).std_error, reverse=True
        )
        counts["rows"] += 1
        counts["same"] += bool(np.isclose(value, selection.estimate.value, rtol=1e-9))
        counts["one before"] += bool(np.isclose(value, tried[by_width[-2]], rtol=1e-9))
    yield (
        f"{counts['rows']} logs where all 7 subsets pass: obp returns the narrowest in {counts['same']}, "
        f"the one before it in {counts['one before']}; ours the narrowest in all"
    )
    try:
        peer.MarginalizedInverseProbabilityWeighting(
            n_actions=2, embedding_selection_method="exact", min_emb_dim=2
        ).estimate_policy_value(
            reward=np.ones(4),
            action=np.array([0, 1, 0, 1]),
            action_embed=np.zeros((4, 2), int),
            pi_b=np.full((4, 2, 1), 0.5),
            action_dist=np.full((4, 2, 1), 0.5),
            p_e_a=np.full((2, 2, 2), 0.5),
        )
    except UnboundLocalError as error:
        yield f"all dimensions must stay: obp raises '{error}', ours keeps them"


def no_overlap() -> Lines:
    """A log that never did what the target does says nothing about it: not 0, and not quietly nan."""
    theirs, _ = log_of(100)
    theirs["action_dist"] = np.zeros((100, 3, 1))
    theirs["action_dist"][:, 2] = 1.0  # a third message, never logged
    with warnings.catch_warnings(record=True):
        values = [
            estimator.estimate_policy_value(**theirs)
            for estimator in (
                peer.InverseProbabilityWeighting(),
                peer.SelfNormalizedInverseProbabilityWeighting(),
            )
        ]
    ours = snips(theirs["reward"], np.zeros(100))
    yield f"obp IPS {values[0]}, SNIPS {values[1]}; ours {ours.value}, '{ours.warnings[0]}'"


def shrinkage_of_zero() -> Lines:
    """A weight of 0 stays 0 at the ends of the parameters, too: the limit of both formulas."""
    theirs, _ = log_of(100)
    theirs["action_dist"] = np.zeros((100, 2, 1))
    theirs["action_dist"][:, 0] = 1.0
    model = np.zeros((100, 2, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subgaussian = peer.SubGaussianInverseProbabilityWeighting(lambda_=1.0).estimate_policy_value(**theirs)
        optimistic = peer.DoublyRobustWithShrinkage(lambda_=0.0).estimate_policy_value(
            **theirs, estimated_rewards_by_reg_model=model
        )
    weight = importance_weights(1.0 - theirs["action"], theirs["pscore"])
    ours = ips(theirs["reward"], weight, shrinkage=Shrinkage("subgaussian", 1.0)).value
    robust = dr(
        theirs["reward"],
        weight,
        np.tile([1.0, 0.0], 100),
        model.ravel(),
        np.zeros(100),
        np.arange(101) * 2,
        shrinkage=Shrinkage("optimistic", 0.0),
    )
    yield f"SG-IPS at 1: obp {subgaussian}, ours {ours:.4f}"
    yield f"DRos at 0: obp {optimistic}, ours {robust.value:.4f}, which is the predictions' mean"


def unit_of_the_outcome() -> Lines:
    """Cents and euros are the same outcome, so the same parameter must be selected."""
    grid = [200.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0]
    changed = {"obp": 0, "ours": 0}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        action = (rng.random(2000) < 0.02).astype(int)
        theirs, _ = log_of(2000)
        theirs |= {"action": action, "pscore": np.where(action, 0.02, 0.98)}
        outcome, weight = rng.normal(size=2000), 0.5 / theirs["pscore"]
        chosen = []
        for unit in (0.01, 1.0, 100.0):
            reward = theirs["reward"] = outcome * unit
            other = peer.InverseProbabilityWeightingTuning(lambdas=list(grid), tuning_method="mse")
            other.estimate_policy_value_with_tuning(**theirs)
            shrinkages = [Shrinkage("clip", c) for c in grid]
            ours = select_by_mse(
                [ips(reward, weight, shrinkage=each) for each in shrinkages],
                [bias_bound(reward, weight, shrink(weight, each)) for each in shrinkages],
            )
            chosen.append((other.best_hyperparam, grid[ours.place]))
        for name, choices in zip(changed, zip(*chosen, strict=True), strict=True):
            changed[name] += len(set(choices)) > 1
    for name, count in changed.items():
        yield f"units of 1/100, 1 and 100: {name} selects different parameters in {count} of 12 logs"


def kernel_doubly_robust() -> Lines:
    """With right predictions a doubly robust estimate is right at any bandwidth."""
    logged = (np.arange(100_000) + 0.5) / 100_000 * 24
    target, density = np.full(100_000, 13.0), np.full(100_000, 1 / 24)

    def curve(time: np.ndarray) -> np.ndarray:
        return 3 + 0.5 * time - 0.02 * time**2

    value = peer.KernelizedDoublyRobust(kernel="epanechnikov", bandwidth=3.0).estimate_policy_value(
        reward=curve(logged),
        action_by_behavior_policy=logged,
        pscore=density,
        action_by_evaluation_policy=target,
        estimated_rewards_by_reg_model=curve(target),
    )
    weight = kernel_weights(target, logged, density, 3.0)
    ours = kernel_dr(curve(logged), weight, curve(target), curve(logged))
    yield f"truth {curve(target[:1])[0]:.4f}: obp {value:.4f}, ours {ours.value:.4f}"


def unequal_loggers() -> Lines:
    """The DR estimate of a policy is weighed as one; obp weighs its correction only."""
    squares = {
        "obp weighted IPS": 0.0,
        "our weighted IPS": 0.0,
        "obp weighted DR": 0.0,
        "our weighted DR": 0.0,
    }
    repeats = 2000
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        stratum = np.repeat([0, 1], [20, 80])
        propensity_of_1 = np.where(stratum, 0.2, 0.6)
        action = (rng.random(100) < propensity_of_1).astype(int)
        propensity = np.where(action, propensity_of_1, 1 - propensity_of_1)
        reward = action + rng.normal(size=100)
        model = np.tile([0.2, 0.6], (100, 1)) + rng.normal(size=(100, 1))
        theirs = {
            "reward": reward,
            "action": action,
            "action_dist": np.full((100, 2, 1), 0.5),
            "stratum_idx": stratum,
            "pscore": propensity,
        }
        weight = importance_weights(np.full(100, 0.5), propensity)
        plain = [ips(reward[stratum == k], weight[stratum == k]) for k in (0, 1)]
        robust = [
            dr(
                reward[stratum == k],
                weight[stratum == k],
                np.full(2 * n, 0.5),
                model[stratum == k].ravel(),
                model[np.arange(100), action][stratum == k],
                np.arange(n + 1) * 2,
            )
            for k, n in ((0, 20), (1, 80))
        ]
        values = {
            "obp weighted IPS": peer.MultiLoggersWeightedInverseProbabilityWeighting().estimate_policy_value(
                **theirs
            ),
            "our weighted IPS": precision_weighted(plain).value,
            "obp weighted DR": peer.MultiLoggersWeightedDoublyRobust().estimate_policy_value(
                **theirs, estimated_rewards_by_reg_model=model[:, :, None]
            ),
            "our weighted DR": precision_weighted(robust).value,
        }
        for name, value in values.items():
            squares[name] = squares.get(name, 0.0) + (value - 0.5) ** 2 / repeats
    for name, square in squares.items():
        yield f"{name}: root mean squared error {np.sqrt(square):.4f} over {repeats} logs"


def mrdr_fit() -> Lines:
    """MRDR's weights where the target draws: exact variances in 300 worlds of 6 states, 4 actions."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(300):
        state = rng.dirichlet(np.ones(6))[:, None]
        logging, target = rng.dirichlet(np.ones(4), 6), rng.dirichlet(np.full(4, 0.7), 6)
        mean = rng.random((6, 4))
        weight = target / logging
        variance = {}
        for name, sample in (
            ("obp", target * (1 - logging) / logging**2),
            ("ours", mrdr_weights(target.ravel(), logging.ravel()).reshape(6, 4)),
        ):
            mass = state * logging * sample
            error = mean - (mass * mean).sum(axis=0) / mass.sum(axis=0)  # a model with one value an action
            within = (logging * (weight * error) ** 2).sum(axis=1) - (target * error).sum(axis=1) ** 2
            variance[name] = float(state[:, 0] @ within)
        ratios.append(variance["obp"] / variance["ours"])
    lower = np.mean(np.array(ratios) > 1)
    yield f"variance to be reduced: obp's by ours {np.mean(ratios):.2f}, ours lower in {lower:.0%}"


def seeds() -> Lines:
    """Two calls for data are two samples, in choices as in outcomes."""
    data = obp.dataset.SyntheticBanditDataset(n_actions=3, random_state=1)  # choices are uniform
    first, second = (data.obtain_batch_bandit_feedback(n_rounds=3000)["action"] for _ in range(2))
    same = np.mean(first == second)
    yield f"synthetic data, two calls: {same:.0%} of obp's choices are the same; 33 % would be by chance"


CASES: list[Callable[[], Lines]] = [
    snips_interval,
    joint_embedding,
    embedding_selection,
    no_overlap,
    shrinkage_of_zero,
    unit_of_the_outcome,
    kernel_doubly_robust,
    unequal_loggers,
    mrdr_fit,
    seeds,
]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for number, case in enumerate(CASES, 1):
        print(f"\n{number}. {(case.__doc__ or '').splitlines()[0]}")
        for line in case():
            print(f"   {line}")
