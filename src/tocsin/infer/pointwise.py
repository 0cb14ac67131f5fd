"""The log-likelihood of a program taken apart in time: what each event adds to it, in every draw.

log L = sum over explained events n of  log lambda(t_n) - integral of all hazards over (t_n-1, t_n]
        - integral of all hazards after the last event
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.errors import ModelError
from tocsin.history.clock import noun
from tocsin.kernels.layout import TARGET
from tocsin.kernels.sweep import AFTER, EXPLAINED, UNIT, VARIABLE
from tocsin.program.cause import CauseData, integrals
from tocsin.program.grouped import is_grouped
from tocsin.program.runs import places_in

if TYPE_CHECKING:
    import xarray
    from numpy.typing import NDArray

    from tocsin.infer.effects import Effects
    from tocsin.infer.posterior import Posterior

    Floats = NDArray[np.float64]

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
        design = int(program.layout.cause[number, TARGET])
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
            weight = np.exp(whole[some, marks] @ cause.marks.T)
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
                values = factor[own, pieces.row] * (pieces.exposure @ weight[own]) ** alpha
                values *= integrals(alpha * decay, pieces.span)[0]
                integral[begin + own] += np.bincount(pieces.interval, values, minlength=edges.size - 1)
                swept = cause.swept(decay, keep=True)
                seen = (swept.event_exposure[:, :, 0] @ weight[own]) ** alpha
                hazard[begin + own, swept.event] += factor[own, swept.event_row] * seen
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
