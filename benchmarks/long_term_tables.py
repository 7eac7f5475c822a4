"""What `long_term.py` found, as tables."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Z90, Z95 = 1.645, 1.96
OURS, LOG = "long-term", "random"
RIVALS = (
    "hold",
    "greedy",
    "greedy-penalty",
    "greedy-tuned",
    "recovering",
    "short-term",
    "d3rlpy-cql",
    "d3rlpy-dqn",
)
PROMISED = ("long-term", "short-term")


@dataclass
class Result:
    """Rows of one world."""

    world: str
    log_users: int
    weeks: int
    days: int = 42  # of the lives
    lives: dict[str, np.ndarray] = field(default_factory=dict)  # utility by person
    promise: dict[str, dict] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)

    def gain(self, name: str, over: str = LOG) -> tuple[float, float]:
        """Return the mean difference of two rows by person, and its standard error; NaN without them."""
        if name not in self.lives or over not in self.lives:
            return np.nan, np.nan
        apart = self.lives[name] - self.lives[over]
        apart = apart[np.isfinite(apart)]
        return float(apart.mean()), float(apart.std(ddof=1) / np.sqrt(len(apart)))

    @property
    def share(self) -> float:
        """Our gain over the oracle's."""
        return self.gain(OURS)[0] / self.gain("oracle", "oracle-random")[0]


def results_of(out: Path) -> list[Result]:
    """Return what is in the folders of `out`, in order."""
    results = []
    for told in sorted(out.glob("*/settings.json"), key=in_order):
        settings = json.loads(told.read_text())
        result = Result(settings["world"], settings["log_users"], settings["weeks"])
        for path in told.parent.glob("*.json"):
            if path == told:
                continue
            made = json.loads(path.read_text())
            result.cpu_s[path.stem] = made["cpu_s"]
            if path.stem == "promise":
                result.promise = made["found"]
            else:
                result.lives[path.stem] = np.array(made["found"], np.float64)
        results.append(result)
    return results


def in_order(told: Path) -> list[tuple[int, str]]:
    """Return what folders are sorted by: their names, numbers in them as numbers."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", told.parent.name)
    ]


def show(out: Path) -> None:
    """Print what was found so far."""
    results = [r for r in results_of(out) if OURS in r.lives and LOG in r.lives]
    if not results:
        print(f"{out} has no world with both {LOG} and {OURS} yet")
        return
    gains(results)
    ranks(results)
    near(results)
    promises(results)
    costs(results)


def gains(results: list[Result]) -> None:
    """Print each world's gains over the logging policy."""
    print("gain of utility a person over the logging policy +- one standard error, and the oracle's share")
    print("| world | " + " | ".join((*RIVALS, OURS, "oracle", "share")) + " |")
    print("|---" * (len(RIVALS) + 4) + "|")
    for r in results:
        cells = [number(*r.gain(name)) for name in (*RIVALS, OURS)]
        cells.append(number(*r.gain("oracle", "oracle-random")))
        print(f"| {r.world} | " + " | ".join(cells) + f" | {r.share:.0%} |".replace("nan%", "-"))
    cells = [over_worlds([r.gain(name)[0] for r in results]) for name in (*RIVALS, OURS)]
    cells.append(over_worlds([r.gain("oracle", "oracle-random")[0] for r in results]))
    print("| mean of worlds | " + " | ".join(cells) + " | |")


def near(results: list[Result]) -> None:
    """Print how we stand against short-term values where knowing the truth of later weeks gains nothing."""
    known = [(r, *r.gain("oracle", "oracle-one-step")) for r in results]
    known = [(r, mean, error) for r, mean, error in known if np.isfinite(mean)]
    flat = [r.gain(OURS, "short-term") for r, mean, error in known if mean < Z95 * error]
    if known:
        lost = sum(mean < -Z95 * error for mean, error in flat)
        print(
            f"\nlooking ahead gains nothing over the one-step oracle, beyond noise, in {len(flat)} of "
            f"{len(known)} worlds; long-term values are worse than short-term ones in {lost} of these"
        )


def number(value: float, error: float) -> str:
    """Return a number with its error, `-` where there is none."""
    return f"{value:+.3f} ± {error:.3f}" if np.isfinite(value) else "-"


def over_worlds(values: list[float]) -> str:
    """Return the mean over worlds and its standard error."""
    known = np.array([value for value in values if np.isfinite(value)])
    if len(known) < 2:
        return "-"
    return number(float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known))))


def ranks(results: list[Result]) -> None:
    """Print how often our policy comes first or ties, against each rival and all of them."""
    count = len(results)
    found = {name: [r.gain(OURS, name) for r in results if name in r.lives] for name in RIVALS}
    ahead = [
        all(
            mean >= -Z95 * error
            for name in RIVALS
            for mean, error in [r.gain(OURS, name)]
            if np.isfinite(mean)
        )
        for r in results
    ]
    kept = sum(mean >= -Z95 * error for mean, error in (r.gain(OURS) for r in results))
    shares = [r.share for r in results if np.isfinite(r.share)]
    print(f"\nfirst or tied: {sum(ahead)} of {count}; not below the log: {kept} of {count}", end="")
    if shares:
        ours = sum(r.gain(OURS)[0] for r in results if np.isfinite(r.share))
        bound = sum(r.gain("oracle", "oracle-random")[0] for r in results if np.isfinite(r.share))
        print(
            f"; share of the oracle's gain: median {np.median(shares):.0%}, of sums {ours / bound:.0%}",
            end="",
        )
    print("\n| long-term against | better | worse | of | mean difference |\n|---|---|---|---|---|")
    for name, pairs in found.items():
        better = sum(mean > Z95 * error for mean, error in pairs)
        worse = sum(mean < -Z95 * error for mean, error in pairs)
        print(f"| {name} | {better} | {worse} | {len(pairs)} | {over_worlds([mean for mean, _ in pairs])} |")


def promises(results: list[Result]) -> None:
    """Print what a decision was promised to be, what one decision was worth, and what deploying brought.

    Evaluation promises of held-out users, training of users whom another fold's fit did not see.
    """
    for by, name in (*(("evaluation", name) for name in PROMISED), ("training", OURS)):
        key = "training" if by == "training" else name
        known = [r for r in results if key in r.promise and f"one-step-{name}" in r.lives]
        if not known:
            continue
        print(f"\n{name}, by {by}: utility a decision against the log's")
        print("| world | promised, 90 % | one decision | covered | 42 days, a decision | verdict |")
        print("|---|---|---|---|---|---|")
        inside, trusted, ratios = [], [], []
        for r in known:
            told = r.promise[key]["versus_logging"]
            fact, error = r.gain(f"one-step-{name}", "one-step-random")
            deployed, spread = (x / r.days for x in r.gain(name))
            inside.append(told["low"] <= fact <= told["high"])
            trusted.append(r.promise[key]["judgement"] != "do_not_trust")
            width = (told["high"] - told["low"]) / 2 / Z90
            ratios.append(((told["value"] - fact) / width, error / width))
            print(
                f"| {r.world} | {told['value']:+.4f} [{told['low']:+.4f}, {told['high']:+.4f}] | "
                f"{number4(fact, error)} | {'yes' if inside[-1] else 'no'} | {number4(deployed, spread)} | "
                f"{r.promise[key]['judgement']} |"
            )
        z, noise = np.array(ratios).T
        low, high = wilson(sum(inside), len(inside))
        print(
            f"covered: {sum(inside)} of {len(inside)} ({low:.0%} to {high:.0%}), where it is to be trusted "
            f"{sum(np.logical_and(inside, trusted))} of {sum(trusted)}; error of the promise in its "
            f"standard errors: mean {z.mean():+.2f}, sd {z.std(ddof=1) if len(z) > 1 else np.nan:.2f}; the "
            f"fact's own error is {np.median(noise):.2f} of the promise's"
        )


def number4(value: float, error: float) -> str:
    """Return a small number with its error."""
    return f"{value:+.4f} ± {error:.4f}"


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share."""
    share, square = hits / of, Z95**2 / of
    middle = (share + square / 2) / (1 + square)
    reach = np.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return float(middle - reach), float(middle + reach)


def costs(results: list[Result]) -> None:
    """Print CPU seconds by row: a row that needs the log first has made it."""
    names = list(dict.fromkeys(name for r in results for name in r.cpu_s))
    spent = {name: [r.cpu_s[name] for r in results if name in r.cpu_s] for name in names}
    print("\nCPU-s, median: " + ", ".join(f"{name} {np.median(s):.0f}" for name, s in spent.items()))
    print(f"of a world: {np.median([sum(r.cpu_s.values()) for r in results]):.0f}")
