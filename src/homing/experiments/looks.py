"""How much larger an experiment with early looks must be, and how soon it is expected to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from homing.experiments.differences import Alternative
from homing.experiments.moments import Floats
from homing.experiments.sequential import crossing_probability
from homing.schema.errors import InputError

#: Drifts above it have more power than any plan asks for.
_FAR: Final = 20.0


@dataclass(frozen=True)
class LooksPlan:
    """The size of a group sequential experiment, in multiples of one with a single look at its end."""

    inflation: float  # at most, where no look stops
    expected: float  # on average, where the effect is as planned
    expected_without_effect: float
    drift: float  # expected statistic at share 1
    power: float


def plan_looks(
    critical: ArrayLike,
    fraction: ArrayLike,
    alpha: float = 0.05,
    power: float = 0.8,
    alternative: Alternative = "two-sided",
) -> LooksPlan:
    """Return the inflation factor R of early looks: units = R x units with a single look.

    The drift d at which the bounds are crossed with the power takes the place of z = z_{1 - alpha / 2} +
    z_power (z_{1 - alpha} + z_power, one-sided), and information goes with the square: R = (d / z)^2
    (Jennison & Turnbull 2000, chapter 2). Expected sizes weigh the looks by the chance to stop there.

    Args:
        critical: [looks] bounds in standard errors, as `group_sequential(...).critical`.
        fraction: [looks] shares of the planned information, the last 1.
        alpha: that the bounds have in total, of the test with a single look.
        power: of the whole, in (alpha, 1).
        alternative: two-sided, or one side; `less` is `greater` for minus the statistic.

    Raises:
        InputError: shares that do not rise to 1, lengths that differ, alpha or power outside their range, or
            bounds that have the power without an effect.
    """
    from scipy.optimize import brentq  # half a second that every command would wait for

    share = np.asarray(fraction, np.float64)
    if not 0 < alpha < power < 1:
        raise InputError(f"alpha == {alpha} and power == {power}, must be 0 < alpha < power < 1")
    sides = 2 if alternative == "two-sided" else 1
    if share.ndim != 1 or not len(share) or share[-1] != 1:
        raise InputError(f"fraction == {fraction!r}, its last must be 1, the planned end")

    def stops(drift: float) -> Floats:
        return crossing_probability(critical, share, drift, two_sided=sides == 2)

    idle = stops(0.0)
    if idle.sum() >= power:
        raise InputError(
            f"critical == {critical!r} stops with probability {idle.sum():.3g} without an effect"
        )
    drift = float(brentq(lambda d: stops(d).sum() - power, 0.0, _FAR, xtol=1e-10))
    single = float(ndtri(1 - alpha / sides) + ndtri(power))
    inflation = (drift / single) ** 2

    def expected(chance: Floats) -> float:
        return float(inflation * (chance @ share + (1 - chance.sum())))

    return LooksPlan(inflation, expected(stops(drift)), expected(idle), drift, power)
