"""Where a fit misses what happened: units, periods and rescaled times, the worst named unasked; and who bears it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, TocsinError, check_whole
from tocsin.fit.maximum.search import Task
from tocsin.fit.predict import Worlds, complete
from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT
from tocsin.program.grouped import is_grouped
from tocsin.program.hazard_course import by_cells

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Told = Callable[[int, int], None]

PERIODS = 24  # of the window, in which what came is set beside what was expected

WORST = 3  # misfits that are named unasked

UNIT_KIND, PERIOD_KIND, TIMES_KIND = "unit", "period", "rescaled times"


@dataclass(frozen=True)
class Misfits:
    """Where a fit misses what happened.

    Attributes:
        table: one row a transition and unit, or a transition and period, or a transition (rescaled times): kind,
            transition, where, observed, expected, statistic and p; the worst of each kind first. The statistic is the
            signed root of the deviance of observed from expected events, or the largest distance of the rescaled times'
            law (Kaplan & Meier 1958) from the unit exponential; p says in what share of refitted worlds the worst of
            that kind and transition is as bad. Without worlds p is quick and rough, the parameters taken as known:
            the two-sided tail of Poisson counts times how many were looked at, or Kolmogorov's law.
        worst: the three worst, as sentences.
        influence: one row an event or a unit and parameter: what, where, parameter, change: by how many standard errors
            the estimate would move without it, to first order (dfbetas; Belsley, Kuh & Welsch 1980).
        worlds: that were simulated from the fit and fitted anew, censored as the record is.
    """

    table: pd.DataFrame
    worst: list[str]
    influence: pd.DataFrame
    worlds: int

    def __str__(self) -> str:
        return "\n".join(self.worst) + "\n"


def misfits(fit: Fit, history: History | None, worlds: int, seed: int, told: Told | None = None) -> Misfits:
    """Return where a fit misses what happened; see `Fit.misfits`."""
    if worlds != 0:
        check_whole(19, worlds=worlds)
    check_whole(seed=seed)
    program = fit.fitted_program if history is None else fit.program(history)
    if is_grouped(program.history) or program.spans is not None:
        raise TocsinError(
            "misfits are looked for where times are known by day or moment: of grouped times or open spans the "
            "rescaled times are not unit exponential"
        )
    vector = program.pack(fit.values)
    numbers = program.history.numbers
    edges = np.linspace(numbers.start, numbers.end, PERIODS + 1)
    seen = _statistics(program, vector, edges)
    kept: list[_Statistics] = []
    if worlds:
        drawn, task = Worlds(program, program.simulate(vector, worlds, seed)), fit.search[0]
        for k in range(worlds):
            found = _refitted(task, drawn[k], vector, edges)
            if found is not None:
                kept.append(found)
            if told is not None:
                told(k + 1, worlds)
    table = _table(program, seen, kept, edges)
    return Misfits(table, _said(table, len(kept)), _influence(fit, program), len(kept))


@dataclass(frozen=True)
class _Statistics:
    """Of one world: observed and expected by transition and unit (K, N) and by period (K, T), and distances (K,)."""

    units: tuple[Floats, Floats]
    periods: tuple[Floats, Floats]
    distance: Floats


def _refitted(task: Task, world: Program, vector: Floats, edges: Floats) -> _Statistics | None:
    """Return the statistics of a world at its own estimates; None where it cannot be fitted."""
    if not complete(world):
        return None
    try:
        own = task.on(world)
        found = own.climb(own.scaled(np.maximum(vector, -30.0)), 1e-4)
    except FitError:
        return None
    return _statistics(world, own.user(found.vector), edges)


def _statistics(program: Program, vector: Floats, edges: Floats) -> _Statistics:
    count, moves = len(program.history.numbers.units), len(program.model.transitions)
    trace = program.trace
    expected = np.zeros((moves, count, edges.size - 1))
    for move, group in enumerate(program.likelihood.groups):
        for c in group:
            expected[move] += by_cells(program.likelihood.causes[c], vector, edges)
    own = trace.events[:, EXPLAINED] >= 0
    move, unit = trace.events[own, EXPLAINED], trace.events[own, UNIT]
    place = np.clip(np.searchsorted(edges, trace.time[own], side="left") - 1, 0, edges.size - 2)
    by_unit, by_period = np.zeros((moves, count)), np.zeros((moves, edges.size - 1))
    np.add.at(by_unit, (move, unit), 1.0)
    np.add.at(by_period, (move, place), 1.0)
    distance = np.array([_distance(each) for each in _rescaled(program, vector)])
    return _Statistics((by_unit, expected.sum(axis=2)), (by_period, expected.sum(axis=1)), distance)


def _rescaled(program: Program, vector: Floats) -> list[tuple[Floats, NDArray[np.bool_]]]:
    """Return the integrated hazards between events of each transition, and which an event ended."""
    table = program.residuals(vector)
    parts = []
    for move in program.model.transitions:
        own = table[table["transition"] == move.name]
        parts.append((own["integral"].to_numpy(), own["observed"].to_numpy(dtype=bool)))
    return parts


def _distance(spells: tuple[Floats, NDArray[np.bool_]]) -> float:
    """Return the largest distance of the law of rescaled times from the unit exponential, times the root of events."""
    span, ended = spells
    order = np.argsort(span, kind="stable")
    span, ended = span[order], ended[order]
    if not ended.any():
        return 0.0
    left = np.cumprod(1.0 - ended / np.arange(span.size, 0, -1))
    before = np.r_[1.0, left[:-1]]
    law = np.exp(-span[ended])
    apart = np.maximum(np.abs(left[ended] - law), np.abs(before[ended] - law))
    return float(apart.max() * math.sqrt(int(ended.sum())))


def _root(observed: Floats, expected: Floats) -> Floats:
    """Return the signed root of the deviance of Poisson counts."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(observed > 0, observed * np.log(observed / np.maximum(expected, 1e-300)), 0.0)
    return np.asarray(
        np.sign(observed - expected) * np.sqrt(np.maximum(2.0 * (log - observed + expected), 0.0))
    )


def _table(program: Program, seen: _Statistics, kept: list[_Statistics], edges: Floats) -> pd.DataFrame:
    import pandas as pd

    numbers, names = program.history.numbers, [each.name for each in program.model.transitions]
    told = [program.when(each) if program.history.dated else f"{each:.6g}" for each in edges]
    shown = [f"{a} to {b}" for a, b in itertools.pairwise(told)]
    rows = []
    for kind, attribute, labels in ((UNIT_KIND, "units", numbers.units), (PERIOD_KIND, "periods", shown)):
        roots = _root(*getattr(seen, attribute))
        worst = np.array([np.abs(_root(*getattr(each, attribute))).max(axis=1) for each in kept])
        observed, expected = getattr(seen, attribute)
        for k, name in enumerate(names):
            looked = np.flatnonzero((observed[k] > 0) | (expected[k] > 0))
            for place in looked:
                root = float(roots[k, place])
                rank = (
                    _rank(abs(root), worst[:, k])
                    if kept
                    else _poisson(observed[k, place], expected[k, place], looked.size)
                )
                rows.append((kind, name, labels[place], observed[k, place], expected[k, place], root, *rank))
    for k, name in enumerate(names):
        found, distance = np.array([each.distance[k] for each in kept]), float(seen.distance[k])
        rank = _rank(distance, found) if kept else _kolmogorov(distance)
        total = float(seen.units[0][k].sum())
        rows.append((TIMES_KIND, name, "all", total, float(seen.units[1][k].sum()), distance, *rank))
    columns = ["kind", "transition", "where", "observed", "expected", "statistic", "p", "excess"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["p", "excess"], ascending=[True, False], kind="stable").reset_index(drop=True)


def _rank(value: float, worst: Floats) -> tuple[float, float]:
    """Return the share of worlds whose worst is as bad, and by how much the value exceeds what is usual there."""
    p = (1 + int((worst >= value - 1e-9).sum())) / (1 + worst.size)
    return p, value / max(float(np.quantile(worst, 0.95)), 1e-12)


def _poisson(observed: float, expected: float, looked: int) -> tuple[float, float]:
    """Return the two-sided tail of a Poisson count times how many were looked at, and minus its logarithm."""
    from scipy.special import pdtr, pdtrc

    low = float(pdtr(observed, expected))
    high = float(pdtrc(observed - 1.0, expected)) if observed > 0 else 1.0
    p = min(1.0, 2.0 * min(low, high) * looked)
    return p, -math.log(max(p, 1e-300))


def _kolmogorov(distance: float) -> tuple[float, float]:
    """Return how likely such a distance is, in Kolmogorov's law, and minus its logarithm."""
    from scipy.special import kolmogorov

    p = float(kolmogorov(distance))
    return p, -math.log(max(p, 1e-300))


def _said(table: pd.DataFrame, worlds: int) -> list[str]:
    """Return the worst misfits as sentences, no transition and kind twice."""
    lines = []
    for row in table.drop_duplicates(["kind", "transition"]).head(WORST).to_dict("records"):
        how = (
            f"against the worst of its kind in {worlds} refitted worlds"
            if worlds
            else "roughly: see Fit.misfits"
        )
        p = f"p {row['p']:.3f}" if row["p"] >= 0.001 else "p under 0.001"
        sure = f"{p}, {how}"
        if row["kind"] == TIMES_KIND:
            lines.append(
                f"{row['transition']}: times between events do not follow the fitted hazard "
                f"(distance {row['statistic']:.2f}, {sure})."
            )
        else:
            at = f"in {row['where']}" if row["kind"] == UNIT_KIND else f"from {row['where']}"
            lines.append(
                f"{row['transition']}, {at}: {row['expected']:.1f} expected, {row['observed']:.0f} came ({sure})."
            )
    return lines


def _influence(fit: Fit, program: Program, most: int = 20) -> pd.DataFrame:
    """Return by how many standard errors estimates would move without each event and unit, the largest first."""
    import pandas as pd

    scaling, vector, vcov = fit.scaled
    scaled = program.on_scale(scaling)
    error = np.sqrt(np.maximum(np.diag(vcov), 0.0))
    per = np.where(error > 0, error, np.inf)
    units = -(scaled.likelihood.unit_scores(vector) @ vcov) / per
    trace = program.trace
    score, whole = np.zeros((len(trace.time), vector.size)), np.zeros(len(trace.time))
    for cause in scaled.likelihood.causes:
        where, elements = cause.events(vector, 1)
        whole[where] += elements.value
        score[np.ix_(where, np.array(cause.positions))] += elements.value[:, None] * elements.slope
    score = np.divide(score, whole[:, None], out=np.zeros_like(score), where=whole[:, None] > 0)
    events = -(score @ vcov) / per
    names, rows = program.history.numbers.units, []
    for kind, moved in (("event", events), ("unit", units)):
        for flat in np.argsort(-np.abs(moved), axis=None, kind="stable")[:most]:
            place, parameter = np.unravel_index(flat, moved.shape)
            label = names[place] if kind == "unit" else (
                f"{names[trace.events[place, UNIT]]}, {program.when(program.shown_time(trace.time[place]))}"
            )  # fmt: skip
            rows.append((kind, label, program.parameter_names[parameter], float(moved[place, parameter])))
    return pd.DataFrame(rows, columns=["what", "where", "parameter", "change"])
