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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.bayes.convergence import load_arviz
from tocsin.bayes.nuts import draw
from tocsin.bayes.target import Target
from tocsin.errors import ModelError
from tocsin.kernels.exposure_sweep import AFTER, EXPLAINED, UNIT, VARIABLE
from tocsin.kernels.layout import TARGET
from tocsin.program.cause import CauseData, lift
from tocsin.program.exposure import integrals
from tocsin.program.grouped import is_grouped
from tocsin.program.parameters import places_in
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from tocsin.bayes.posterior import Posterior
    from tocsin.bayes.random_effects import Effects
    from tocsin.program.program import Program

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


# --- The log-likelihood of a program taken apart in time: what each event adds to it, in every draw
#
# log L = sum over explained events n of  log lambda(t_n) - integral of all hazards over (t_n-1, t_n]
# - integral of all hazards after the last event

CELLS = 4_000_000  # numbers worked on at once


class Pointwise(NamedTuple):
    """What each event adds.

    Fields: position of each explained event in the trace (E,); log hazard of each event (S, E); integral of
    all hazards since the explained event before it, zero for all but the first of one instant (S, E);
    integral after the last (S,).
    """

    event: NDArray[np.int64]
    log_hazard: Floats
    waited: Floats
    rest: Floats


class Pieces(NamedTuple):
    """Stretches of a sweep cut at given edges: target row, interval, length, exposure at the beginning."""

    row: NDArray[np.int64]
    interval: NDArray[np.int64]
    span: Floats
    exposure: Floats


def cut(cause: CauseData, decay: float, edges: Floats) -> Pieces:
    """Cut what a sweep of a cause has kept at the edges of intervals (I + 1,)."""
    swept = cause.swept(decay, keep=True)
    first = np.searchsorted(edges, swept.time, side="right") - 1
    last = np.searchsorted(edges, swept.time + swept.span, side="left") - 1
    first, last = (np.clip(each, 0, edges.size - 2) for each in (first, last))
    count = np.maximum(last - first + 1, 1)
    which = np.repeat(np.arange(swept.row.size), count)
    interval = first[which] + places_in(count)
    begin = np.maximum(edges[interval], swept.time[which])
    end = np.minimum(edges[interval + 1], (swept.time + swept.span)[which])
    faded = np.exp(-decay * (begin - swept.time[which]))
    exposure = swept.exposure[which, :, 0] * faded[:, None]
    return Pieces(swept.row[which].astype(np.int64), interval, np.maximum(end - begin, 0.0), exposure)


def take_apart(effects: Effects, vectors: Floats, effect: Floats) -> Pointwise:
    """Return what each explained event adds to the log-likelihood under each draw.

    Parameters:
        effects: the program and its random effects.
        vectors: draws of the declared parameters (S, P); effect: draws of the effects (S, R).
    """
    program = effects.program
    if is_grouped(program.history):
        raise ModelError(
            f"with times known by {noun(program.history.clock)} the log-likelihood does not fall apart into events in "
            "order of time: forecasts event by event need times by day"
        )
    if any(design.times is not None for design in program.designs):
        raise ModelError(
            "forecasts event by event are not worked out for log(time_in_state) and time_in_state: write "
            "pieces(time_in_state, 7, 30) with ages that suit"
        )
    trace = program.trace
    event = np.flatnonzero(trace.events[:, EXPLAINED] >= 0)
    times = trace.time[event]
    instants = np.unique(times)
    start, end = program.layout.window
    edges = np.concatenate([[start], instants, [max(end, instants[-1] if instants.size else end)]])
    if edges.size > 2 and edges[-1] == edges[-2]:
        edges[-1] = np.nextafter(edges[-1], np.inf)
    draws = vectors.shape[0]
    hazard = np.zeros((draws, trace.time.size))
    integral = np.zeros((draws, edges.size - 1))
    whole = np.ones((draws, len(program.parameter_names)))
    whole[:, effects.keep] = vectors
    for number in range(len(program.causes)):
        cause = CauseData(program, number)
        design = int(program.recorded.layout.cause[number, TARGET])
        declared, numbered = effects.terms(design)
        rows = effects.rows(design)
        matrix = cause.matrix[:, declared]
        terms = np.array(cause.slots.target)[declared]
        marks = slice(cause.slots.source.start, cause.slots.source.stop)
        moving = cause.slots.half_life >= 0 or cause.slots.alpha >= 0
        sums = None if moving else _summed(cause, edges)
        step = max(1, CELLS // max(matrix.shape[0] * cause.marks.shape[0], 1))
        for begin in range(0, draws, step):
            some = slice(begin, min(begin + step, draws))
            factor = whole[some][:, terms] @ matrix.T
            for which in range(len(numbered)):
                factor += effect[some][:, rows[:, which]]
            lifted = lift((whole[some, marks] @ cause.marks.T).T)
            weight = lifted[0].T
            alphas = np.array([cause.shape(vector)[1] for vector in whole[some]]) if moving else 1.0
            factor += (alphas * lifted[1])[:, None]
            factor = np.exp(factor)
            if sums is not None:
                both = (factor[:, :, None] * weight[:, None, :]).reshape(factor.shape[0], -1)
                integral[some] += (sums.T @ both.T).T
                swept = cause.swept(program.decay(number, whole[0]))
                seen = weight @ swept.event_exposure[:, :, 0].T
                hazard[some, swept.event] += factor[:, swept.event_row] * seen
                continue
            for own, vector in enumerate(whole[some]):
                decay, alpha = cause.shape(vector)
                pieces = cut(cause, decay, edges)
                level = factor[own] * np.exp(program.log_density(number, vector))
                values = level[pieces.row] * (pieces.exposure @ weight[own]) ** alpha
                values *= integrals(alpha * decay, pieces.span)[0]
                integral[begin + own] += np.bincount(pieces.interval, values, minlength=edges.size - 1)
                swept = cause.swept(decay, keep=True)
                seen = (swept.event_exposure[:, :, 0] @ weight[own]) ** alpha
                hazard[begin + own, swept.event] += level[swept.event_row] * seen
    waited = np.zeros((draws, event.size))
    first = np.r_[True, np.diff(times) > 0.0] if event.size else np.zeros(0, dtype=bool)
    waited[:, first] = integral[:, : instants.size]
    with np.errstate(divide="ignore"):
        logs = np.log(hazard[:, event])
    return Pointwise(event, logs, waited, integral[:, instants.size :].sum(axis=1))


def _summed(cause: CauseData, edges: Floats) -> Any:
    """Return exposures summed by target row and source row, and by interval: sparse (rows * Q, I)."""
    from scipy.sparse import coo_matrix

    decay, _ = cause.shape(np.zeros(len(cause.program.parameter_names)))
    pieces = cut(cause, decay, edges)
    width = cause.marks.shape[0]
    values = pieces.exposure * integrals(decay, pieces.span)[0][:, None]
    row = pieces.row[:, None] * width + np.arange(width)
    column = np.broadcast_to(pieces.interval[:, None], row.shape)
    shape = (cause.matrix.shape[0] * width, edges.size - 1)
    return coo_matrix((values.ravel(), (row.ravel(), column.ravel())), shape).tocsr()


def event_dataset(posterior: Posterior) -> xarray.Dataset:
    """Return the log-likelihood of each explained event in each draw; see `Posterior.log_likelihood`."""
    import xarray

    chains, draws, size = posterior.draws.vector.shape
    flat = posterior.draws.vector.reshape(-1, size)
    effects = posterior.effects
    found = take_apart(effects, flat, posterior.draws.effect.reshape(flat.shape[0], -1))
    program, where = effects.plain, ("chain", "draw")
    rows = program.trace.events[found.event]
    entered = []
    for row in rows:
        variable = program.model.variables[row[VARIABLE]]
        stride = program.joint.strides[row[VARIABLE]]
        entered.append(f"{variable.name}={variable.states[(row[AFTER] // stride) % len(variable.states)]}")
    times = program.trace.time[found.event]
    dated = program.history.dated
    coordinates: dict[str, Any] = {
        "chain": np.arange(chains),
        "draw": np.arange(draws),
        "event": np.arange(found.event.size),
        "event_time": ("event", times),
        "event_unit": ("event", [program.history.numbers.units[row[UNIT]] for row in rows]),
        "event_enters": ("event", entered),
        "event_transition": ("event", [program.model.transitions[row[EXPLAINED]].name for row in rows]),
    }
    if dated:
        days = [str(day)[:10] for day in program.history.to_date(times)]
        coordinates["event_date"] = ("event", np.array(days, dtype="datetime64[s]"))
    content = {
        "events": ((*where, "event"), (found.log_hazard - found.waited).reshape(chains, draws, -1)),
        "rest": (where, -found.rest.reshape(chains, draws)),
    }
    return xarray.Dataset(content, coordinates)
