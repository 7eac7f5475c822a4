"""Prices for shared limits, beside linear-programming solvers on the same instances.

Instances: 5 to 40 candidates a user, heavy-tailed values of which a quarter is negative, and five families
of limits (channel volume, sends of a channel in a slot, category, message, money), most of them maxima, a
tenth of the messages with a minimum, a twentieth with 1 % of what they would take. `--other` has fewer
candidates, values a thousand times larger with heavier tails, and money in other units.

python benchmarks/allocation.py --users 1000000 --limits 143 [--other] [--no-draws] [--save instance.npz]
python benchmarks/allocation.py --pacing

Peers, where highspy or ortools is installed; they take the linear program of a saved instance:
python benchmarks/allocation.py --load instance.npz --peer simplex|ipm|pdlp
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from homing.allocation import Bounds, Demand, Solution, Uses

SIZES = {  # limits: channels, slots, categories, messages, money limits
    10: (2, 1, 2, 3, 1),
    143: (3, 24, 8, 57, 3),
    2500: (3, 24, 26, 2396, 3),
}
CHUNK = 100_000


def make_arms(limits: int, other: bool, rng: np.random.Generator) -> tuple[Uses, np.ndarray]:
    channels, slots, categories, messages, money = SIZES[limits]
    message, channel, slot = (
        part.ravel() for part in np.indices((messages, channels, slots)).astype(np.int32)
    )
    category = rng.integers(categories, size=messages).astype(np.int32)[message]
    cost = np.exp(rng.normal(size=(messages, channels)))[message, channel] * (250 if other else 0.01)
    starts = np.cumsum([0, channels, channels * slots, categories, messages])
    limit = np.stack(
        [
            channel,
            starts[1] + channel * slots + slot,
            starts[2] + category,
            starts[3] + message,
            starts[4] + channel % money,
        ],
        axis=1,
    )
    amount = np.ones(limit.shape, np.float32)
    amount[:, 4] = cost
    counts = np.full(len(message), 5)
    offsets = np.concatenate([[0], np.cumsum([0, *counts])]).astype(np.int64)  # arm 0 is hold
    worth = np.exp(0.7 * rng.normal(size=messages))[message] * np.exp(0.3 * rng.normal(size=slots))[slot]
    from homing.allocation import Uses

    uses = Uses(offsets, limit.ravel().astype(np.int32), amount.ravel())
    return uses, np.concatenate([[0.0], worth]).astype(np.float32)


def make_demand(users: int, limits: int, other: bool, seed: int = 0) -> Demand:
    from homing.allocation import Demand

    rng = np.random.default_rng(seed)
    uses, worth = make_arms(limits, other, rng)
    most = 15 if other else 40
    counts = rng.integers(5, most + 1, users)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    values, arm = np.empty(offsets[-1], np.float32), np.empty(offsets[-1], np.int32)
    for first in range(0, users, CHUNK):
        last = min(first + CHUNK, users)
        here = slice(offsets[first], offsets[last])
        n = here.stop - here.start
        arm[here] = rng.integers(1, len(uses), n, dtype=np.int32)
        user = np.exp((1.5 if other else 1.0) * rng.standard_normal(last - first, np.float32))
        value = worth[arm[here]] * np.exp(0.8 * rng.standard_normal(n, np.float32))
        value *= np.repeat(user, counts[first:last]) * (10 if other else 0.01)
        value[rng.random(n, np.float32) < 0.25] *= -0.5
        values[here] = value
    arm[offsets[:-1]] = 0
    values[offsets[:-1]] = 0.0
    return Demand(offsets, values, arm, uses)


def make_bounds(demand: Demand, limits: int, seed: int = 1) -> Bounds:
    """Most is 30 to 130 % of what would be taken, 1 % for some messages; others have a minimum instead."""
    from homing.allocation import Bounds, softmaxes

    rng = np.random.default_rng(seed)
    scale = float(np.abs(demand.values[:10_000]).mean())
    wish = softmaxes(demand, np.zeros(limits), 1e-6 * scale).totals
    least, most = np.full(limits, -np.inf), wish * rng.uniform(0.3, 1.3, limits)
    messages = SIZES[limits][3]
    kind = rng.random(messages)
    first = limits - SIZES[limits][4] - messages
    message = slice(first, first + messages)
    most[message] = np.where(kind < 0.05, 0.01 * wish[message], most[message])
    most[message] = np.where(kind > 0.9, np.inf, most[message])
    least[message] = np.where(kind > 0.9, wish[message] * rng.uniform(0.5, 1.2, messages), -np.inf)
    return Bounds(least, most)


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def save(path: str, demand: Demand, bounds: Bounds) -> None:
    uses = demand.uses
    np.savez(
        path,
        offsets=demand.offsets,
        values=demand.values,
        arm=demand.arm,
        use_offsets=uses.offsets,
        use_limit=uses.limit,
        use_amount=uses.amount,
        least=bounds.least,
        most=bounds.most,
    )


def ours(users: int, limits: int, other: bool, path: str | None, draws: bool) -> None:
    from homing.allocation import Bounds, dependent_draw, probabilities, solve

    demand = make_demand(users, limits, other)
    bounds = make_bounds(demand, limits)
    if path:
        save(path, demand, bounds)
    warm = demand.take(np.arange(min(users, 50)))
    nothing = np.zeros(limits)
    solve(warm, Bounds(nothing - np.inf, bounds.most))  # compiles
    dependent_draw(warm, probabilities(warm, nothing, 1.0), nothing, np.random.default_rng(0))
    scales = ", other scales" if other else ""
    print(f"{users} users, {len(demand.values)} candidates, {limits} limits{scales}; peak {peak_mb()} MB")

    start = time.process_time()
    found = solve(demand, bounds)
    took = time.process_time() - start
    proof = found.certificate
    print(f"  solve {took:.2f} CPU-s, {proof.passes} passes, peak {peak_mb()} MB")
    print(f"  value {proof.value:.6g}, bound {proof.bound:.6g}, gap {proof.gap:.1e}, met {found.met}")
    print(
        f"  over by {proof.violation:.1e}, {proof.over.max():.2f} units; temperature {found.temperature:.3g}"
    )
    if draws:
        drawn(demand, bounds, found)
    one_pass(demand, found)


def drawn(demand: Demand, bounds: Bounds, found: Solution) -> None:
    from homing.allocation import dependent_draw, probabilities

    start = time.process_time()
    chance = probabilities(demand, found.prices, found.temperature)
    made = time.process_time() - start
    start = time.process_time()
    chosen = dependent_draw(demand, chance, found.certificate.totals, np.random.default_rng(0))
    took = time.process_time() - start
    print(f"  probabilities {made:.2f} CPU-s, draws {took:.2f}, peak {peak_mb()} MB")
    totals = demand.uses.totals(np.bincount(demand.arm[chosen], minlength=len(demand.uses)), len(bounds))
    finite = bounds.most < np.inf
    stray = np.abs(totals - found.certificate.totals)[finite]
    share = stray / np.maximum(bounds.most[finite], 1)
    print(f"  drawn value {demand.values[chosen].sum():.6g}; totals stray by {np.median(share):.2%} (median)")
    far = stray[share > 0.01].max(initial=0)
    print(f"  {(share > 0.01).sum()} of {len(share)} limits by more than 1 %, by up to {far:.1f} units")


def one_pass(demand: Demand, found: Solution) -> None:
    from homing.allocation import softmaxes

    n, times = len(demand.values), []
    for work in (
        lambda: (demand.values.sum(), demand.arm.sum()),
        lambda: softmaxes(demand, found.prices, found.temperature, threads=1),
    ):
        taken = []
        for _ in range(3):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
        times.append(min(taken))
    print(f"  a pass {times[1]:.3f} CPU-s, {times[1] / n * 1e9:.1f} ns a candidate, ", end="")
    print(f"{times[1] / times[0]:.1f} times NumPy's sums of the arrays")


def pacing() -> None:
    from homing.allocation import Bounds, Pace, decide_in_order, solve

    users, limits, steps = 100_000, 143, 288
    everyone = make_demand(3 * users, limits, False)
    forecast = everyone.take(np.arange(users))
    bounds = make_bounds(forecast, limits)
    bounds = Bounds(np.full(limits, -np.inf), np.floor(bounds.most))
    planned = solve(forecast, bounds)
    heat = planned.temperature
    pace = Pace.of(forecast, planned, bounds.most)
    even = np.linspace(0, 1, steps + 1)
    for name, share, curve in (
        ("as forecast", 1.0, even),
        ("half", 0.5, even),
        ("double", 2.0, even),
        ("late (by the square)", 1.0, even**2),
    ):
        came = everyone.take(users + np.arange(int(share * users)))
        best = solve(came, bounds).certificate.bound
        edges = (curve * len(came)).astype(np.int64)
        for paced in (False, True):
            rng, used, value = np.random.default_rng(0), np.zeros(limits), 0.0
            for step in range(steps):
                part = came.take(np.arange(edges[step], edges[step + 1]))
                prices = pace.at(used, float(edges[step]), even[step]) if paced else planned.prices
                chosen, _ = decide_in_order(part, prices, heat, rng.random(len(part)), used, bounds.most)
                value += float(part.values[chosen].sum())
            print(
                f"{name:<22}{'paced' if paced else 'planned prices':<16}{value / best:.1%} of hindsight, "
                f"passed limits {int((used > bounds.most).sum())}"
            )


def as_linear_program(path: str):
    """Return c, A, low, high of: minimise c x where low <= A x <= high, x >= 0; and the number of limits."""
    from scipy.sparse import csr_matrix, vstack

    data = np.load(path)
    n, users, limits = len(data["values"]), len(data["offsets"]) - 1, len(data["most"])
    arms = len(data["use_offsets"]) - 1
    uses = csr_matrix(
        (data["use_amount"].astype(float), data["use_limit"], data["use_offsets"]), (arms, limits)
    )
    by_user = csr_matrix((np.ones(n), np.arange(n), data["offsets"]), (users, n))
    rows = vstack([uses[data["arm"]].T.tocsr(), by_user]).tocsr()
    low = np.concatenate([data["least"], np.ones(users)])
    high = np.concatenate([data["most"], np.ones(users)])
    return -data["values"].astype(float), rows, low, high, limits


def with_highs(path: str, solver: str) -> None:
    import highspy

    cost, rows, low, high, _ = as_linear_program(path)
    model, problem = highspy.Highs(), highspy.HighsLp()
    problem.num_col_, problem.num_row_ = len(cost), len(low)
    problem.col_cost_, problem.col_lower_, problem.col_upper_ = (
        cost,
        np.zeros(len(cost)),
        np.full(len(cost), np.inf),
    )
    problem.row_lower_, problem.row_upper_ = low, high
    problem.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    problem.a_matrix_.start_, problem.a_matrix_.index_, problem.a_matrix_.value_ = (
        rows.indptr,
        rows.indices,
        rows.data,
    )
    model.setOptionValue("output_flag", False)
    model.setOptionValue("threads", 1)
    model.setOptionValue("solver", solver)
    start = time.process_time()
    model.passModel(problem)
    model.run()
    took = time.process_time() - start
    print(
        f"HiGHS {solver}: {took:.2f} CPU-s, value {-model.getObjectiveValue():.6g}, "
        f"{model.getModelStatus()}, peak {peak_mb()} MB"
    )


def with_pdlp(path: str) -> None:
    from ortools.pdlp import solve_log_pb2, solvers_pb2
    from ortools.pdlp.python import pdlp

    cost, rows, low, high, limits = as_linear_program(path)
    program = pdlp.QuadraticProgram()
    program.objective_vector = cost
    program.constraint_matrix = rows.tocsc()
    program.constraint_lower_bounds, program.constraint_upper_bounds = low, high
    program.variable_lower_bounds, program.variable_upper_bounds = (
        np.zeros(len(cost)),
        np.full(len(cost), np.inf),
    )
    setting = solvers_pb2.PrimalDualHybridGradientParams()
    setting.termination_criteria.simple_optimality_criteria.eps_optimal_relative = 1e-4
    setting.termination_criteria.simple_optimality_criteria.eps_optimal_absolute = 1e-4
    start = time.process_time()
    result = pdlp.primal_dual_hybrid_gradient(program, setting)
    took = time.process_time() - start
    x = result.primal_solution
    totals = (rows @ x)[:limits]
    over = np.maximum(np.maximum(totals - high[:limits], low[:limits] - totals), 0).max()
    reason = solve_log_pb2.TerminationReason.Name(result.solve_log.termination_reason)
    print(
        f"PDLP: {took:.2f} CPU-s, value {-cost @ x:.6g}, over {over:.2f} units, {reason}, peak {peak_mb()} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--limits", type=int, default=143, choices=sorted(SIZES))
    parser.add_argument("--other", action="store_true")
    parser.add_argument("--save")
    parser.add_argument("--load")
    parser.add_argument("--peer", choices=("simplex", "ipm", "pdlp"))
    parser.add_argument("--no-draws", action="store_true")
    parser.add_argument("--pacing", action="store_true")
    asked = parser.parse_args()
    if asked.pacing:
        pacing()
    elif asked.peer:
        with_pdlp(asked.load) if asked.peer == "pdlp" else with_highs(asked.load, asked.peer)
    else:
        ours(asked.users, asked.limits, asked.other, asked.save, not asked.no_draws)


if __name__ == "__main__":
    main()
