"""Leave-future-out comparison: how well a model forecasts each event from all that came before it.

    elpd = sum over instants n of  log p(what happens until t_n | all until t_n-1)

Exact forecasts would take one posterior an event. Draws given an earlier past are weighted towards the
later one instead (Pareto smoothed importance sampling: Vehtari et al. 2024), and the posterior is sampled
again where the weights are no longer to be trusted (Bürkner, Gabry & Vehtari 2020).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError
from tocsin.infer.bayes import draw
from tocsin.infer.convergence import load_arviz
from tocsin.infer.pointwise import take_apart
from tocsin.infer.target import Target

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.infer.effects import Effects
    from tocsin.infer.posterior import Posterior
    from tocsin.program import Program

    Floats = NDArray[np.float64]

SHAPE = 0.7  # of the Pareto tail of the weights, above which they are not trusted


@dataclass(frozen=True, eq=False)
class LeaveFutureOut:
    """Forecasts of what happened, one instant after the other.

    Attributes:
        table: one row an instant: time, [date], events, elpd, k (shape of the weights' tail), refitted. The
            last row is the time after the last event.
        elpd: the sum of the log predictive densities.
        se: its standard error, sqrt(n var) of the rows; that of a difference is smaller (see `compare`).
        refits: how often the posterior was sampled.
    """

    table: pd.DataFrame
    elpd: float
    se: float
    refits: int

    def compare(self, other: LeaveFutureOut) -> tuple[float, float]:
        """Return by how much this elpd exceeds another one of the same instants, and its standard error.

        Raises:
            ModelError: the other one forecast other instants.
        """
        if not np.array_equal(self.table["time"], other.table["time"]):
            raise ModelError(
                "the two did not forecast the same instants: they need one history and one `first`"
            )
        gap = self.table["elpd"].to_numpy() - other.table["elpd"].to_numpy()
        return float(gap.sum()), float(np.sqrt(gap.size * gap.var(ddof=1))) if gap.size > 1 else float("nan")

    def __repr__(self) -> str:
        return (
            f"<LeaveFutureOut of {len(self.table)} instants: elpd {self.elpd:.1f} (se {self.se:.1f}), "
            f"{self.refits} posteriors>"
        )


def leave_future_out(
    posterior: Posterior,
    first: float | str = 0.5,
    draws: int = 500,
    tune: int = 500,
    chains: int = 4,
    threshold: float = SHAPE,
    progress: Callable[[int, int], None] | None = None,
) -> LeaveFutureOut:
    """Forecast every event from what came before it.

    Parameters:
        first: where forecasts begin: a share of the instants with events, or a date.
        draws, tune, chains: of each posterior of a part of the history.
        threshold: of the shape of the weights' tail, above which the posterior is sampled again.
        progress: called with instants done and instants in all.

    Raises:
        ModelError: `first` leaves no event before it, or none after it.
    """
    import pandas as pd

    effects = posterior.effects
    trace = effects.plain.trace
    explained = np.flatnonzero(trace.events[:, 4] >= 0)
    instants, group, counts = np.unique(trace.time[explained], return_inverse=True, return_counts=True)
    if isinstance(first, str) or not isinstance(first, int | float):
        start = int(np.searchsorted(instants, posterior.history.to_number(first), side="right"))
    elif 0.0 < first < 1.0 and not isinstance(first, bool):
        start = round(first * instants.size)
    else:
        raise ModelError(f"first must be a share between 0 and 1 or a date, not {first!r}")
    if not 0 < start < instants.size:
        raise ModelError(
            f"first={first!r} leaves {start} instants before the forecasts and {instants.size - start} after"
        )
    psis = _smoother()
    rows, refits, given = [], 0, -1
    pointwise = weights = np.empty(0)
    for number in range(start, instants.size + 1):
        shape, smooth = -np.inf, weights
        if refits:
            smooth, shape = psis(weights)
        refit = not refits or shape > threshold
        if refit:
            pointwise = _forecast(posterior, float(instants[number - 1]), group, draws, tune, chains, refits)
            weights, refits, given = np.zeros(pointwise.shape[0]), refits + 1, number
            smooth, shape = weights - np.log(weights.size), -np.inf
        now = pointwise[:, number]
        rows.append(
            {
                "time": instants[number] if number < instants.size else effects.plain.layout.window[1],
                "events": int(counts[number]) if number < instants.size else 0,
                "elpd": _log_sum(smooth + now),
                "k": shape if number > given else np.nan,
                "refitted": refit,
            }
        )
        weights = weights + now
        if progress is not None:
            progress(number - start + 1, instants.size - start + 1)
    table = pd.DataFrame(rows)
    if posterior.history.dated:
        table.insert(
            1, "date", pd.to_datetime(np.asarray(posterior.history.to_date(table["time"].to_numpy())))
        )
    elpd = table["elpd"].to_numpy()
    se = float(np.sqrt(elpd.size * elpd.var(ddof=1))) if elpd.size > 1 else float("nan")
    return LeaveFutureOut(table, float(elpd.sum()), se, refits)


def _forecast(
    posterior: Posterior,
    time: float,
    group: NDArray[np.int64],
    draws: int,
    tune: int,
    chains: int,
    refit: int,
) -> Floats:
    """Sample the posterior of what happened until a time; return log densities of all instants (S, I + 1)."""
    past = until(posterior.effects, time)
    drawn = draw(Target(past, posterior.belief), draws, tune, chains, posterior.seed + 1000 + refit)
    vectors = drawn.vector.reshape(-1, drawn.vector.shape[2])
    apart = take_apart(posterior.effects, vectors, drawn.effect.reshape(vectors.shape[0], -1))
    result = np.zeros((vectors.shape[0], int(group.max()) + 2))
    np.add.at(result.T, group, (apart.log_hazard - apart.waited).T)
    result[:, -1] = -apart.rest
    return result


def until(effects: Effects, time: float) -> Effects:
    """Return a program with effects as if nothing were known of what came after a time."""

    def cut(program: Program) -> Program:
        layout, seen = program.layout, program.observed
        known = layout.break_at[0] < time
        kept = seen.time <= time
        return dataclasses.replace(
            program,
            opening=layout._replace(
                window=np.array([layout.window[0], time]),
                break_at=np.ascontiguousarray(layout.break_at[:, known]),
                breaks=np.ascontiguousarray(layout.breaks[known]),
            ),
            changes=None,
            observed=seen._replace(**{name: values[kept] for name, values in seen._asdict().items()}),
        )

    plain = cut(effects.plain)
    same = effects.program is effects.plain
    return dataclasses.replace(effects, plain=plain, program=plain if same else cut(effects.program))


def _log_sum(values: Floats) -> float:
    highest = float(values.max())
    return highest + float(np.log(np.exp(values - highest).sum())) if np.isfinite(highest) else highest


def _smoother() -> Callable[[Floats], tuple[Floats, float]]:
    """Return ArviZ's Pareto smoothing: normalised log weights, and the shape of their tail."""
    arviz: Any = load_arviz()
    if hasattr(arviz, "psislw"):
        smooth = arviz.psislw
    else:  # ArviZ 1
        from arviz_stats.base import array_stats

        smooth = array_stats.psislw

    def smoothed(weights: Floats) -> tuple[Floats, float]:
        if np.ptp(weights) == 0.0:
            return weights - weights[0] - np.log(weights.size), -np.inf
        values, shape = smooth(weights)
        values = np.asarray(values)
        return values - _log_sum(values), float(shape)

    return smoothed
