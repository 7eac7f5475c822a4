"""Estimators beside obp's on equal inputs: the largest relative difference of each, over seeds and sizes.

obp 0.5.7 asks for Python < 3.11 and pins old libraries; it runs on what it
imports, in an environment of its own:
    python3.11 -m venv /tmp/obp
    /tmp/obp/bin/pip install --no-deps --ignore-requires-python obp==0.5.7
    /tmp/obp/bin/pip install numpy scipy scikit-learn pandas matplotlib seaborn
    /tmp/obp/bin/pip install tqdm pyyaml torch==2.13.0 pydantic
    PYTHONPATH=src /tmp/obp/bin/python benchmarks/estimators.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from homing.evaluation import (
    Estimate,
    Shrinkage,
    bias_bound,
    cascade_dr,
    dm,
    dr,
    importance_weights,
    ips,
    kernel_dr,
    kernel_weights,
    marginal_weights,
    mixture_propensity,
    posterior_weights,
    precision_weighted,
    select_by_mse,
    select_by_slope,
    select_embedding,
    shrink,
    slate_ips,
    sndr,
    snips,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import obp.ope as peer
    from sklearn.preprocessing import OneHotEncoder

SEEDS = range(5)
SIZES = (100, 1_000, 20_000)
ACTIONS = 6

#: What a comparison yields: the estimator, our number, theirs.
Pairs = Iterator[tuple[str, float, float]]


@dataclass
class Log:
    """One decision a row, from a softmax over actions; obp's arrays, and ours by `flat`."""

    rng: np.random.Generator
    logging: np.ndarray  # [n, actions]
    target: np.ndarray  # [n, actions]
    prediction: np.ndarray  # [n, actions]
    action: np.ndarray  # [n]
    reward: np.ndarray  # [n]

    @property
    def rows(self) -> np.ndarray:
        return np.arange(len(self.reward))

    @property
    def offsets(self) -> np.ndarray:
        return np.arange(len(self.reward) + 1) * ACTIONS

    @property
    def propensity(self) -> np.ndarray:
        return self.logging[self.rows, self.action]

    @property
    def weight(self) -> np.ndarray:
        return importance_weights(self.target[self.rows, self.action], self.propensity)

    @property
    def of_choice(self) -> np.ndarray:
        return self.prediction[self.rows, self.action]

    @property
    def doubly_robust(self) -> tuple[np.ndarray, ...]:
        return (
            self.reward,
            self.weight,
            self.target.ravel(),
            self.prediction.ravel(),
            self.of_choice,
            self.offsets,
        )

    @property
    def theirs(self) -> dict[str, np.ndarray]:
        return {
            "reward": self.reward,
            "action": self.action,
            "pscore": self.propensity,
            "action_dist": self.target[:, :, None],
            "position": np.zeros(len(self.reward), int),
        }

    @property
    def theirs_with_model(self) -> dict[str, np.ndarray]:
        return self.theirs | {"estimated_rewards_by_reg_model": self.prediction[:, :, None]}


def make_log(seed: int, rows: int) -> Log:
    rng = np.random.default_rng([seed, rows])

    def policy(spread: float) -> np.ndarray:
        score = np.exp(rng.normal(scale=spread, size=(rows, ACTIONS)))
        return score / score.sum(axis=1, keepdims=True)

    logging, target = policy(1.0), policy(1.5)
    action = np.minimum((rng.random((rows, 1)) > logging.cumsum(axis=1)).sum(axis=1), ACTIONS - 1)
    mean = rng.random((rows, ACTIONS))
    reward = mean[np.arange(rows), action] + rng.normal(scale=0.3, size=rows)
    return Log(rng, logging, target, mean + rng.normal(scale=0.2, size=mean.shape), action, reward)


def plain(seed: int, rows: int) -> Pairs:
    log = make_log(seed, rows)
    theirs, with_model = log.theirs, log.theirs_with_model
    yield (
        "IPS",
        ips(log.reward, log.weight).value,
        peer.InverseProbabilityWeighting().estimate_policy_value(**theirs),
    )
    yield (
        "SNIPS",
        snips(log.reward, log.weight).value,
        peer.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**theirs),
    )
    direct = dm(log.target.ravel(), log.offsets, log.prediction.ravel())
    yield "DM", direct.value, peer.DirectMethod().estimate_policy_value(**with_model)
    yield "DR", dr(*log.doubly_robust).value, peer.DoublyRobust().estimate_policy_value(**with_model)
    yield (
        "SNDR",
        sndr(*log.doubly_robust).value,
        peer.SelfNormalizedDoublyRobust().estimate_policy_value(**with_model),
    )


#: Name, kind, whether it has a model, obp's class, its tuned class, parameters from least to most shrinkage.
SHRUNK = [
    ("IPS, clipped", "clip", False, "InverseProbabilityWeighting", (20.0, 5.0, 2.0, 1.0, 0.5)),
    ("DR, clipped", "clip", True, "DoublyRobust", (20.0, 5.0, 2.0, 1.0, 0.5)),
    ("Switch-DR", "switch", True, "SwitchDoublyRobust", (20.0, 5.0, 2.0, 1.0, 0.5)),
    ("DRos", "optimistic", True, "DoublyRobustWithShrinkage", (1e4, 1e2, 10.0, 1.0, 0.1)),
    ("SG-IPS", "subgaussian", False, "SubGaussianInverseProbabilityWeighting", (0.0, 0.01, 0.1, 0.5, 1.0)),
    ("SG-DR", "subgaussian", True, "SubGaussianDoublyRobust", (0.0, 0.01, 0.1, 0.5, 1.0)),
]


def shrunk(seed: int, rows: int) -> Pairs:
    log = make_log(seed, rows)
    for name, kind, model, theirs, grid in SHRUNK:
        for parameter in grid:
            shrinkage = Shrinkage(kind, parameter)
            found = (
                dr(*log.doubly_robust, shrinkage=shrinkage)
                if model
                else ips(log.reward, log.weight, shrinkage=shrinkage)
            )
            other = getattr(peer, theirs)(lambda_=parameter)
            yield name, found.value, other.estimate_policy_value(**log.theirs_with_model)


def tuned(seed: int, rows: int) -> Pairs:
    """The parameter that is selected, by SLOPE and by the bound on the squared error.

    Outcomes spread wide around 0, so that variance counts and several parameters are selected.
    """
    log = make_log(seed, rows)
    log.reward = log.rng.normal(scale=100.0, size=rows)
    for name, kind, model, theirs, grid in SHRUNK:
        # obp bounds |value - mean| by a quantile of one side: its delta of 0.1 is an interval of 80 %
        candidates = [
            dr(*log.doubly_robust, shrinkage=Shrinkage(kind, c), confidence=0.8)
            if model
            else ips(log.reward, log.weight, shrinkage=Shrinkage(kind, c), confidence=0.8)
            for c in grid
        ]
        residual = log.reward - log.of_choice if model else log.reward
        bounds = [
            bias_bound(
                residual, log.weight, shrink(log.weight, Shrinkage(kind, c)), confidence=0.9, largest=1.0
            )
            for c in grid
        ]
        found = {"slope": select_by_slope(candidates), "mse": select_by_mse(candidates, bounds)}
        for method, selection in found.items():
            other = getattr(peer, f"{theirs}Tuning")(lambdas=list(grid), tuning_method=method, delta=0.1)
            value = other.estimate_policy_value_with_tuning(**_arguments(log, model))
            yield f"{name}: parameter by {method}", grid[selection.place], other.best_hyperparam
            yield f"{name}: value by {method}", selection.estimate.value, value


def _arguments(log: Log, model: bool) -> dict[str, np.ndarray]:
    return log.theirs_with_model if model else log.theirs


def embedded(seed: int, rows: int) -> Pairs:
    """Weights over an embedding of two dimensions, with known and with learned p(a | e)."""
    log = make_log(seed, rows)
    # the target prefers the same everywhere
    log.target = np.tile(log.rng.dirichlet(np.full(ACTIONS, 0.5)), (rows, 1))
    known = log.rng.dirichlet(np.full(3, 0.3), (2, ACTIONS)).transpose(1, 2, 0)
    draw = log.rng.random((rows, 1, 2))
    embedding = (draw > known[log.action].cumsum(axis=1)).sum(axis=1)
    theirs = {
        "reward": log.reward,
        "action": log.action,
        "action_embed": embedding,
        "pi_b": log.logging[:, :, None],
        "action_dist": log.target[:, :, None],
        "position": np.zeros(rows, int),
    }

    def with_dimensions(part: tuple[int, ...]) -> Estimate:
        likelihood = np.prod([known[:, embedding[:, d], d].T for d in part], axis=0)
        weight = marginal_weights(log.target.ravel(), log.logging.ravel(), likelihood.ravel(), log.offsets)
        return ips(log.reward, weight)

    other = peer.MarginalizedInverseProbabilityWeighting(n_actions=ACTIONS)
    yield "MIPS", with_dimensions((0, 1)).value, other.estimate_policy_value(p_e_a=known, **theirs)

    # where every subset passes, obp returns the last but one: benchmarks/obp_faults.py
    theirs["reward"] = log.reward = log.reward + 9 * (embedding == [1, 2]).sum(axis=1)
    for greedy in (False, True):
        method = "greedy" if greedy else "exact"
        _, selection = select_embedding(with_dimensions, 2, greedy=greedy)
        if selection.place < 2:
            chooser = peer.MarginalizedInverseProbabilityWeighting(
                n_actions=ACTIONS, embedding_selection_method=method
            )
            value = chooser.estimate_policy_value(p_e_a=known, **theirs)
            yield f"MIPS, dimensions by SLOPE, {method}", selection.estimate.value, value

    # scikit-learn 1.4 renamed an argument of the encoder that obp uses
    peer.estimators_embed.OneHotEncoder = lambda sparse, drop: OneHotEncoder(sparse_output=sparse, drop=drop)
    context = log.rng.normal(size=(rows, 2))
    value = other.estimate_policy_value(context=context, **theirs)
    coded = OneHotEncoder(sparse_output=False, drop="first").fit_transform(embedding)
    posterior = np.zeros((rows, ACTIONS))
    posterior[:, np.unique(log.action)] = other.pi_a_x_e_estimator.predict_proba(np.c_[context, coded])
    weight = posterior_weights(log.target.ravel(), log.logging.ravel(), posterior.ravel(), log.offsets)
    yield "MIPS, learned p(a | e)", ips(log.reward, weight).value, value


def several_loggers(seed: int, rows: int) -> Pairs:
    """Two policies with equal rows: with unequal ones obp's n and our n - 1 differ by 1 / n."""
    log = make_log(seed, rows)
    stratum = np.arange(rows) % 2
    second = log.rng.dirichlet(np.ones(ACTIONS), rows)
    action = (log.rng.random((rows, 1)) > second.cumsum(axis=1)).sum(axis=1)
    log.action = np.where(stratum, np.minimum(action, ACTIONS - 1), log.action)
    both = np.stack([log.logging, second], axis=1)
    log.logging = both[log.rows, stratum]
    chances = both[log.rows, :, log.action]
    mixture = mixture_propensity(chances, stratum)
    weight = importance_weights(log.target[log.rows, log.action], mixture)
    theirs = {k: v for k, v in log.theirs_with_model.items() if k != "pscore"}
    model = theirs.pop("estimated_rewards_by_reg_model")
    average = {"pscore_avg": chances.mean(axis=1)}
    other = peer.MultiLoggersBalancedInverseProbabilityWeighting()
    yield "balanced IPS", ips(log.reward, weight).value, other.estimate_policy_value(**theirs, **average)
    robust = dr(log.reward, weight, *log.doubly_robust[2:])
    other = peer.MultiLoggersBalancedDoublyRobust()
    value = other.estimate_policy_value(**theirs, **average, estimated_rewards_by_reg_model=model)
    yield "balanced DR", robust.value, value
    each = [ips(log.reward[stratum == k], log.weight[stratum == k]) for k in (0, 1)]
    other = peer.MultiLoggersWeightedInverseProbabilityWeighting()
    value = other.estimate_policy_value(**theirs, pscore=log.propensity, stratum_idx=stratum)
    yield "weighted IPS", precision_weighted(each).value, value


def continuous(seed: int, rows: int) -> Pairs:
    rng = np.random.default_rng([seed, rows])
    logged, target = rng.normal(size=rows), rng.normal(scale=0.5, size=rows)
    density = np.exp(-(logged**2) / 2) / np.sqrt(2 * np.pi)
    reward, predicted = rng.normal(1.0, 1.0, rows), rng.normal(1.0, 0.3, rows)
    theirs = {
        "reward": reward,
        "action_by_behavior_policy": logged,
        "pscore": density,
        "action_by_evaluation_policy": target,
    }
    for kernel in ("epanechnikov", "gaussian"):
        for width in (0.1, 0.5):
            weight = kernel_weights(target, logged, density, width, kernel)
            options = {"kernel": kernel, "bandwidth": width}
            other = peer.KernelizedInverseProbabilityWeighting(**options)
            yield "kernel IPS", ips(reward, weight).value, other.estimate_policy_value(**theirs)
            other = peer.KernelizedSelfNormalizedInverseProbabilityWeighting(**options)
            yield "kernel SNIPS", snips(reward, weight).value, other.estimate_policy_value(**theirs)
            other = peer.KernelizedDoublyRobust(**options)
            value = other.estimate_policy_value(**theirs, estimated_rewards_by_reg_model=predicted)
            # obp predicts the target's time in both places
            yield "kernel DR", kernel_dr(reward, weight, predicted, predicted).value, value


def slates(seed: int, rows: int) -> Pairs:
    rng = np.random.default_rng([seed, rows])
    length = 3
    logged, target = (rng.dirichlet(np.ones(ACTIONS), (rows, length)) for _ in range(2))
    action = np.minimum((rng.random((rows, length, 1)) > logged.cumsum(axis=2)).sum(axis=2), ACTIONS - 1)
    p, pi = (np.take_along_axis(table, action[:, :, None], 2)[:, :, 0] for table in (logged, target))
    reward = rng.random((rows, length))
    ratio, offsets = importance_weights(pi.ravel(), p.ravel()), np.arange(rows + 1) * length
    theirs = {
        "slate_id": np.repeat(np.arange(rows), length),
        "reward": reward.ravel(),
        "position": np.tile(np.arange(length), rows),
    }

    def products(table: np.ndarray, behaviour: str) -> np.ndarray:
        if behaviour == "standard":
            return np.repeat(table.prod(axis=1), length)
        return (table if behaviour == "independent" else table.cumprod(axis=1)).ravel()

    for behaviour, name, suffix in (
        ("standard", "SlateStandardIPS", ""),
        ("independent", "SlateIndependentIPS", "_item_position"),
        ("cascade", "SlateRewardInteractionIPS", "_cascade"),
    ):
        value = getattr(peer, name)(len_list=length).estimate_policy_value(
            **theirs,
            **{f"pscore{suffix}": products(p, behaviour)},
            **{f"evaluation_policy_pscore{suffix}": products(pi, behaviour)},
        )
        yield f"slate IPS, {behaviour}", slate_ips(reward.ravel(), ratio, offsets, behaviour).value, value
    predicted = rng.random((rows, length, ACTIONS))
    of_choice = np.take_along_axis(predicted, action[:, :, None], 2).ravel()
    other = peer.SlateCascadeDoublyRobust(len_list=length, n_unique_action=ACTIONS)
    value = other.estimate_policy_value(
        **theirs,
        action=action.ravel(),
        pscore_cascade=products(p, "cascade"),
        evaluation_policy_pscore_cascade=products(pi, "cascade"),
        q_hat=predicted.ravel(),
        evaluation_policy_action_dist=target.ravel(),
    )
    expected = (target * predicted).sum(axis=2).ravel()
    yield "cascade-DR", cascade_dr(reward.ravel(), ratio, of_choice, expected, offsets).value, value


COMPARISONS: list[Callable[[int, int], Pairs]] = [
    plain,
    shrunk,
    tuned,
    embedded,
    several_loggers,
    continuous,
    slates,
]


def parity() -> None:
    largest: dict[str, float] = {}
    found: dict[str, list[float]] = {}
    for compare in COMPARISONS:
        for rows in SIZES:
            for seed in SEEDS:
                for name, ours, theirs in compare(seed, rows):
                    gap = abs(ours - theirs) / max(abs(theirs), 1e-300) if ours != theirs else 0.0
                    largest[name] = max(largest.get(name, 0.0), gap)
                    found.setdefault(name, []).append(theirs)
    print(f"largest relative difference to obp, {len(SEEDS)} seeds, {SIZES} decisions\n")
    for name, gap in largest.items():
        numbers = f"{len(found[name])} numbers, {len(set(found[name]))} different"
        print(f"{name:36} {numbers:26} {gap:9.1e}  {'' if gap <= 1e-6 else 'DIFFERS'}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parity()
