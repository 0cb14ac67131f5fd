"""Branching: how many events one event sets off, for causes whose memory fades."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tocsin.model.declaration import BAR, Contagion

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.infer.estimates import Fit


def branching(fit: Fit, level: float) -> pd.DataFrame:
    """Return the branching mass of each half-life cause, with intervals; see `Fit.branching`."""
    import pandas as pd
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    rows, names = [], list(fit.values)
    for transition in fit.model.transitions:
        for cause in transition.causes:
            head = f"{transition.name}{BAR}{cause.name}{BAR}"
            strength = f"{head}susceptibility{BAR}1"
            if not isinstance(cause, Contagion) or cause.half_life is None or strength not in fit.values:
                continue
            memory, response = f"{head}memory{BAR}half_life", f"{head}response{BAR}alpha"
            used = [(strength, 1.0)]
            log_half_life = math.log(cause.half_life) if cause.half_life != "estimate" else fit.values[memory]
            shift = log_half_life - math.log(math.log(2.0))
            if cause.half_life == "estimate":
                used.append((memory, 1.0))
            if cause.response == "power":
                used.append((response, -1.0))
                shift -= fit.values[response]
            log_mass = fit.values[strength] + shift
            weight = np.zeros(len(names))
            for name, sign in used:
                weight[names.index(name)] = sign
            at = np.flatnonzero(weight)
            se = math.sqrt(float(weight[at] @ fit._vcov[np.ix_(at, at)] @ weight[at]))
            lower, upper = log_mass - z * se, log_mass + z * se
            held = fit._status[strength] == "fixed"
            ends = (fit.values[strength],) * 2 if held else fit._profile_ends(strength, level)
            if len(used) == 1:  # a multiple of the strength has a multiple of its interval
                lower, upper = (end + shift for end in ends)
            elif math.isinf(ends[0]):
                lower = -math.inf
            rows.append(
                (
                    transition.name,
                    cause.name,
                    *(math.exp(x) for x in (fit.values[strength], log_half_life, log_mass, lower, upper)),
                )
            )
    columns = ["transition", "cause", "strength", "half_life", "mass", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)
