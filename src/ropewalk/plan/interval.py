"""How often to save: what saving costs against what a failure would lose."""

from __future__ import annotations

import math

DAY_S = 86_400.0
MIN_MTBF_S = 60.0  # whoever fails more often than that gains nothing from saving still more often


def mean_time_between_failures_s(failures: int, attempts_s: float) -> float:
    """The mean time between failures of one attempt, in seconds.

    What was observed is weighed with one failure in 24 hours, as if that had been observed too. So it is 24 hours
    when nothing is known, and one early failure is no reason for panic. Never less than MIN_MTBF_S.

    Args:
        failures: attempts that were lost, or killed for their memory.
        attempts_s: how long all attempts took together, in seconds.
    """
    return max((DAY_S + attempts_s) / (1 + failures), MIN_MTBF_S)


def optimum_interval_s(cost_s: float, mtbf_s: float) -> float:
    """The time to work between two checkpoints that loses least to saving and to failures together, in seconds.

    To first order it is sqrt(2 C M) (J. W. Young, "A first order approximation to the optimum checkpoint interval",
    Communications of the ACM 17(9), 1974). This is the higher-order form, which also holds where saving is not short
    against M (J. T. Daly, "A higher order estimate of the optimum checkpoint interval for restart dumps", Future
    Generation Computer Systems 22(3), 2006, equation 37).

    Args:
        cost_s: C, the time that it takes to save, not negative.
        mtbf_s: M, the mean time between failures, positive.
    """
    if cost_s >= 2 * mtbf_s:
        return mtbf_s
    ratio = cost_s / (2 * mtbf_s)
    return math.sqrt(2 * cost_s * mtbf_s) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - cost_s
