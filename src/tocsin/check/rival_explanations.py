"""Rival explanations beside every contagion: the calendar, the units, placebo ties, permuted times, unseen
shocks.

Contagion, common shocks and likeness of neighbours look alike in such data (Shalizi & Thomas 2011). No
test settles it; what can be done is to let each rival explain what it can, and to say how strong it would
have to be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tocsin.check.pair import Pair
from tocsin.check.placebo import altered, reshuffled, rewired
from tocsin.check.shocks import shocks_of
from tocsin.check.verdict import Verdict, judge
from tocsin.ensemble.simulate import threads
from tocsin.errors import FitError, TocsinError, check_whole, suggestion
from tocsin.fit.bootstrap import HALF, BootstrapDraws, against, check_worlds
from tocsin.fit.compare import half_chi_square
from tocsin.fit.maximum.constraint import Constraint
from tocsin.fit.maximum.imputation import over_draws, solve
from tocsin.fit.maximum.search import Found, Task
from tocsin.fit.misplaced_terms import left_out
from tocsin.history.arrays import CovariateArrays
from tocsin.model.declaration import BAR, Baseline, Contagion
from tocsin.program.compile import join
from tocsin.program.grouped import is_grouped, refuse_two

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

PERIOD, UNIT = "tocsin_period", "tocsin_unit"

MOST_UNITS = 200  # with effects of their own

SPREADS = (0.25, 0.5, 1.0, 2.0)  # standard deviations of unit effects that are tried

LIKENESS, AHEAD, TOGETHER = "likeness and regional shocks", "lead", "none of them (together)"

FEW_RATES, MANY = 199, 3  # worlds of each kind for rates, unless more contagions than so many are looked at

OTHERS = "calendar", "unit effects", LIKENESS, AHEAD, "placebo ties", "permuted times"

OPEN = "not done: it would need open times drawn for itself; give each event one time (no time_latest)"

ONE_SIDED = 1.6448536269514722**2  # the statistic at which one strength has p = 0.05


@dataclass(frozen=True)
class Check:
    """Contagion estimates beside their rivals.

    Attributes:
        table: one row a contagion cause and rival: cause, rival, strength (estimated beside it), statistic
            (twice the gain in log-likelihood from the cause), p, how.
        shocks: one row a cause: by how much an unseen shock would have to multiply the hazard at home of
            units while they are exposed, for the one-sided 95% interval of the contagion to reach zero
            (factor); the same for a shock that lasts two half-lives from each entry of a source (brief).
        placebo: one row a cause and placebo history, or world of the bootstrap: cause, rival, statistic.
        left_out: effects that stand as propensity or susceptibility alone, with score tests.
        verdicts: by cause what can be said of it on these ties, and how often the tests err there; see `Verdict`.
    """

    table: pd.DataFrame
    shocks: pd.DataFrame
    placebo: pd.DataFrame
    left_out: pd.DataFrame
    verdicts: dict[str, Verdict]

    def __str__(self) -> str:
        shown = self.table.assign(
            strength=self.table["strength"].map("{:.4g}".format),
            statistic=self.table["statistic"].map("{:.2f}".format),
            p=self.table["p"].map(lambda p: "" if math.isnan(p) else f"{p:.3f}"),
        )
        lines = [shown.to_string(index=False), ""]
        for row in self.shocks.itertuples(index=False):
            lines.append(f"{row.cause}: {row.reading}")
        lines += [f"{cause}: {verdict}" for cause, verdict in self.verdicts.items()]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        parts = [self.table, self.shocks, self.left_out]
        return "".join(str(part.to_html(index=False, float_format="{:.4g}".format)) for part in parts)


@dataclass(frozen=True)
class Law:
    """The law of a gain in log-likelihood if there is no contagion: half a chi-square, or that of drawn worlds."""

    lawful: bool
    drawn: BootstrapDraws | None

    def p(self, statistic: float) -> tuple[float, str]:
        """Return the p-value of a gain and how it was found."""
        if self.lawful or not statistic:
            return half_chi_square(statistic), HALF
        if self.drawn is None or not self.drawn.ratios.size:
            return math.nan, "its law is not known: see bootstrap="
        return self.drawn.p(statistic)[0], f"rank among {self.drawn.ratios.size} worlds without the cause"

    @property
    def edge(self) -> float:
        """Return the gain at which p is 0.05, NaN where it is not known."""
        if self.lawful:
            return ONE_SIDED
        known = self.drawn is not None and self.drawn.ratios.size
        return float(np.quantile(self.drawn.ratios, 0.95, method="higher")) if known else math.nan  # type: ignore[union-attr]


def check(
    fit: Fit,
    history: History | None,
    worlds: int,
    seed: int,
    progress: Progress | None = None,
    causes: Sequence[str] | str | None = None,
    bootstrap: int = 199,
    rates: int | None = None,
) -> Check:
    """Set every contagion of a fit beside its rivals; see `Fit.check`."""
    import pandas as pd

    record = fit.history if history is None else history
    pairs = [
        Pair(fit, move, cause)
        for move in fit.model.transitions
        for cause in move.causes
        if isinstance(cause, Contagion) and any(isinstance(each, Baseline) for each in move.causes)
    ]
    if not pairs:
        raise TocsinError(
            "the model has no contagion beside a baseline, so there is nothing to set rivals beside"
        )
    names = [pair.name for pair in pairs]
    if causes is not None:
        asked = [causes] if isinstance(causes, str) else list(causes)
        known = {*names, *(pair.cause.name for pair in pairs)}
        for each in asked:
            if each not in known:
                raise TocsinError(
                    f"no contagion beside a baseline is called {each!r}" + suggestion(each, known)
                )
        pairs = [pair for pair in pairs if pair.name in asked or pair.cause.name in asked]
    if isinstance(worlds, bool) or not isinstance(worlds, int) or worlds < 19:
        raise TocsinError(f"placebo tests need worlds= of 19 or more, not {worlds!r}")
    check_worlds(bootstrap)
    check_whole(seed=seed)
    task, found = fit.search if history is None else _again(fit, record)
    plain = (task, found) if fit.prior is None else _again(fit, record, plain=True)
    rows: list[tuple[object, ...]] = []
    drawn: list[tuple[object, ...]] = []
    shocks: list[tuple[object, ...]] = []
    verdicts: dict[str, Verdict] = {}
    exact = not is_grouped(record) and over_draws(task.program) is None and task.program.spans is None
    drawings = (FEW_RATES if len(pairs) <= MANY else 0) if rates is None else rates
    for pair in pairs:
        number = names.index(pair.name)
        place = next(c for c in range(len(task.program.causes)) if task.program.cause_name(c) == pair.name)
        drawing = (
            partial(progress, f"simulating worlds without {pair.name}") if progress is not None else None
        )
        if over_draws(task.program) is not None:
            answer = against(fit.model, *plain, [place], bootstrap, seed, told=drawing)
            strength = (
                math.exp(fit.values[f"{pair.name}{BAR}susceptibility{BAR}1"]) if _has(fit, pair) else math.nan
            )
            rows.append((pair.name, "none (as fitted)", strength, answer.statistic, answer.p, answer.how))
            if answer.drawn is not None:
                drawn += [(pair.name, "none (as fitted)", ratio) for ratio in answer.drawn.ratios]
            rows += [(pair.name, rival, math.nan, math.nan, math.nan, OPEN) for rival in OTHERS]
            shocks.append((pair.name, math.nan, math.nan, OPEN))
            continue
        tell = partial(progress, f"checking {pair.name}") if progress is not None else _silent
        tell(0, 2 * worlds)
        observed, strength = pair.gain(pair.task(record, False), pair.task(record, True))
        answer = against(fit.model, *plain, [place], bootstrap, seed, told=drawing)
        law = Law(answer.lawful, answer.drawn)
        gain = observed if math.isnan(answer.statistic) else answer.statistic
        rows.append((pair.name, "none (as fitted)", strength, gain, answer.p, answer.how))
        if answer.drawn is not None:
            drawn += [(pair.name, "none (as fitted)", ratio) for ratio in answer.drawn.ratios]
        rows.append((pair.name, "calendar", *_calendar(pair, record, law)))
        rows.append((pair.name, "unit effects", *_unit_effects(pair, record, law)))
        kinds = (
            ("placebo ties", lambda rng, p=pair: rewired(record, p.cause.layer, rng)),
            ("permuted times", lambda rng: reshuffled(record, rng)),
        )
        for kind, (rival, make) in enumerate(kinds):
            rngs = np.random.default_rng([seed, number, kind]).spawn(worlds)
            told = partial(_further, tell, kind * worlds, 2 * worlds)
            gains = _placebo(pair, record, make, rngs, told)
            drawn += [(pair.name, rival, gain) for gain in gains]
            p = (1 + int((gains >= observed - 1e-9).sum())) / (1 + gains.size) if gains.size else math.nan
            how = f"rank among {gains.size}" if gains.size else "no placebo could be fitted"
            if gains.size and np.ptp(gains) < 1e-9 and abs(gains[0] - observed) < 1e-6:
                p, how = math.nan, "says nothing: the placebo is the history itself"
            rows.append((pair.name, rival, strength, observed, p, how))
        shocks.append((pair.name, *shocks_of(pair, record, law.edge)))
        judged = _judged(pair, record, drawings, seed, progress) if exact else None
        rows += _verdict_rows(pair, judged, record)
        if judged is not None:
            verdicts[pair.name] = judged
    if over_draws(task.program) is None:
        for group in _groups(pairs):
            rows.append(_together(fit, plain, group, bootstrap, seed, progress))
    lost = [(x.name, x.twin, x.statistic, x.p, x.shared, x.warning() or "") for x in left_out(task, found)]
    return Check(
        pd.DataFrame(rows, columns=["cause", "rival", "strength", "statistic", "p", "how"]),
        pd.DataFrame(shocks, columns=["cause", "factor", "brief", "reading"]),
        pd.DataFrame(drawn, columns=["cause", "rival", "statistic"]),
        pd.DataFrame(lost, columns=["left out", "in the model", "statistic", "p", "shared", "reading"]),
        verdicts,
    )


def _judged(pair: Pair, record: History, worlds: int, seed: int, progress: Progress | None) -> Verdict | None:
    """Return the verdict on a contagion, its transition fitted without it."""
    task = pair.task(record, False)
    try:
        vector = task.user(task.solve().vector)
    except FitError:  # without it an event could not have happened
        return None
    null = dict(zip(task.program.parameter_names, (float(x) for x in vector), strict=True))
    told = None if progress is None else partial(progress, f"how often the tests of {pair.name} err")
    return judge(pair.fit, record, pair.name, null, worlds, seed, told)


def _verdict_rows(pair: Pair, judged: Verdict | None, record: History) -> list[tuple[object, ...]]:
    """Return the rows of the table about likeness and shocks at once, and about the lead."""
    if judged is None:
        why = (
            OPEN
            if record.numbers.spans is not None
            else "not done: times by day or moment and a strength are needed"
        )
        return [(pair.name, rival, math.nan, math.nan, math.nan, why) for rival in (LIKENESS, AHEAD)]
    how = f"{HALF}; Laplace, spreads {judged.units:g} and {judged.regions:g}"
    rows: list[tuple[object, ...]] = [(pair.name, LIKENESS, judged.strength, *judged.beside, how)]
    if math.isnan(judged.lead[0]):
        why = "not done: no tie of the layer has a date of its own"
    elif math.isnan(judged.lead[1]):
        why = "its law is that of worlds of the fit: see rates="
    else:
        why = f"gain of the lead beside it, by rank among {judged.worlds} worlds of the fit"
    return [*rows, (pair.name, AHEAD, math.nan, *judged.lead, why)]


def _groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Return the contagions of one transition from the same sources with the same memory, where they are several."""
    found: dict[tuple[object, ...], list[Pair]] = {}
    for pair in pairs:
        key = (pair.transition.name, pair.cause.when, pair.cause.half_life)
        found.setdefault(key, []).append(pair)
    return [group for group in found.values() if len(group) > 1]


def _together(
    fit: Fit,
    plain: tuple[Task, Found],
    group: Sequence[Pair],
    bootstrap: int,
    seed: int,
    progress: Progress | None,
) -> tuple[object, ...]:
    """Test contagions against none of them: one can stand for another, and each alone then seems to be nothing."""
    program = plain[0].program
    names = [pair.name for pair in group]
    places = [c for c in range(len(program.causes)) if program.cause_name(c) in names]
    label = f"{group[0].transition.name}{BAR}{' + '.join(pair.cause.name for pair in group)}"
    told = None if progress is None else partial(progress, f"simulating worlds without {label}")
    answer = against(fit.model, *plain, places, bootstrap, seed, told=told)
    return (label, TOGETHER, math.nan, answer.statistic, answer.p, answer.how)


def _has(fit: Fit, pair: Pair) -> bool:
    return f"{pair.name}{BAR}susceptibility{BAR}1" in fit.values


def _silent(done: int, total: int) -> None:
    pass


def _further(tell: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    tell(before + done, total)


def _again(fit: Fit, history: History, plain: bool = False) -> tuple[Task, Found]:
    """Return the task of a fit and its maximum in a history; `plain` leaves a prior out."""
    from tocsin.fit.fit import prepared

    task, _ = prepared(fit.program(history), None if plain else fit.prior, fit.fixed, fit.tied)
    return task, solve(task)


def _placebo(
    pair: Pair,
    record: History,
    make: Callable[[np.random.Generator], History],
    rngs: list[np.random.Generator],
    told: Callable[[int], None],
) -> Floats:
    """Return twice the gain of a cause in each placebo history that can be fitted."""
    programs = [pair.model(with_cause).compile(record) for with_cause in (False, True)]
    base, full = (pair.of_program(program).solve() for program in programs)
    whole = max(2.0 * (full.value - base.value), 0.0)

    def gain(rng: np.random.Generator) -> float | None:
        other = make(rng)
        try:
            # Rewired ties of a layer that no other cause uses leave the model without the cause as it was.
            same = other.numbers.event_unit is record.numbers.event_unit and not pair.shares_layer
            if same and _alike(record, other, pair.cause.layer):
                return whole
            small = base if same else pair.of_program(_joined_to(programs[0], other)).solve()
            large = pair.of_program(_joined_to(programs[1], other)).solve()
        except FitError:  # an event that nothing can explain there
            return None
        return max(2.0 * (large.value - small.value), 0.0)

    gains = []
    with ThreadPoolExecutor(threads()) as pool:
        for number, found in enumerate(pool.map(gain, rngs), 1):
            gains.append(found)
            told(number)
    return np.array([found for found in gains if found is not None])


def _alike(record: History, other: History, layer: str) -> bool:
    """Say whether a layer has the same ties in both, in whatever order: some degrees allow no others."""
    one, two = (each.numbers.ties.get(layer) for each in (record, other))
    if one is None or two is None:
        return one is two
    rows = (np.stack([t.source, t.target, t.weight, t.start, t.end]) for t in (one, two))
    first, second = (row[:, np.lexsort(row)] for row in rows)
    return bool(np.array_equal(first, second))


def _joined_to(program: Program, history: History) -> Program:
    """Return the program of another history of the same units; designs that stay the same are kept."""
    changed = join(program.model, history, program)
    if is_grouped(history):
        refuse_two(changed)
    return changed


def _times(pair: Pair, history: History) -> Floats:
    program = pair.model(True).compile(history)
    return program.trace.time[program.trace.events[:, 4] >= 0]


def _calendar(pair: Pair, history: History, law: Law) -> tuple[float, float, float, str]:
    """Let the baselines change from period to period, each with about as many events."""
    times, numbers = _times(pair, history), history.numbers
    periods = int(np.clip(times.size // 8, 2, 8))
    cuts = np.unique(np.quantile(times, np.arange(1, periods) / periods, method="inverted_cdf"))
    edges = np.concatenate(
        [[numbers.start], cuts[(cuts > numbers.start) & (cuts < numbers.end)], [numbers.end]]
    )
    size = edges.size - 1
    if size < 2:
        return math.nan, math.nan, math.nan, "all events at one time"
    rows = CovariateArrays(np.full(size, -1, np.int32), np.arange(1.0, size + 1), edges[:-1], edges[1:])
    other = altered(history, replace(numbers, covariates={**numbers.covariates, PERIOD: rows}))
    gain, strength = pair.gain(
        pair.task(other, False, f"C({PERIOD})"), pair.task(other, True, f"C({PERIOD})")
    )
    p, how = law.p(gain)
    return strength, gain, p, f"{how}; {size} periods"


def _unit_effects(pair: Pair, history: History, law: Law) -> tuple[float, float, float, str]:
    """Let every unit have a readiness of its own, normal on the logarithm, integrated out by Laplace's
    method."""
    numbers = history.numbers
    if len(numbers.units) > MOST_UNITS:
        return math.nan, math.nan, math.nan, f"not done: more than {MOST_UNITS} units"
    names = np.array([f"{k:05d}" for k in range(len(numbers.units))], dtype=object)
    other = altered(history, replace(numbers, static={**numbers.static, UNIT: names}))
    best: list[tuple[float, float]] = []
    place = f"{pair.name}{BAR}susceptibility{BAR}1"
    for with_cause in (False, True):
        program = pair.model(with_cause, UNIT).compile(other)
        names_ = program.parameter_names
        effects = np.array([f"{BAR}{UNIT}[" in name for name in names_])
        task = pair.task(history, with_cause)
        plain = task.solve()
        ours = dict(zip(task.program.parameter_names, task.user(plain.vector), strict=True))
        start = np.array([max(ours.get(name, 0.0), -15.0) for name in names_])
        constraint = Constraint.make(names_, {n: v for n, v in pair.fit.fixed.items() if n in names_})
        ends = [(plain.value, float(ours.get(place, math.nan)))]
        for spread in SPREADS:
            penalty = np.array([np.zeros(len(names_)), np.where(effects, spread, np.inf)])
            wide = replace(Task.make(program, constraint), penalty=penalty)
            found = wide.climb(wide.scaled(start), 1e-5)
            inner = -found.hessian[np.ix_(effects, effects)]
            sign, size = np.linalg.slogdet(inner)
            if sign > 0:
                value = found.value - effects.sum() * math.log(spread) - 0.5 * size
                ends.append(
                    (
                        float(value),
                        float(wide.user(found.vector)[names_.index(place)]) if place in names_ else 0.0,
                    )
                )
        best.append(max(ends))
    gain = max(2.0 * (best[1][0] - best[0][0]), 0.0)
    p, how = law.p(gain)
    return math.exp(best[1][1]), gain, p, f"{how}; Laplace"
