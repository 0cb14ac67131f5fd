"""What can be said of a contagion on its own ties: two tests at once, a lead, and how often these tests err there."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.check.cells import Cells, Plan
from tocsin.check.placebo import altered
from tocsin.ensemble.simulate import threads
from tocsin.errors import TocsinError
from tocsin.files.format import FORMAT, format_fault
from tocsin.files.whole import write_whole
from tocsin.fit.compare import half_chi_square
from tocsin.fit.predict import Worlds, complete
from tocsin.history.arrays import CovariateArrays
from tocsin.model.declaration import BAR, Baseline, Transition
from tocsin.model.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Told = Callable[[int, int], None]

RIVAL = "tocsin_rival"

LEAD = {
    "day": 14.0,
    "month": 1.0,
    "year": 1.0,
    "step": 1.0,
}  # by which ties come earlier, in units of the clock

LEVEL, SURE, FOOLED = (
    0.05,
    0.8,
    0.15,
)  # of the tests; power that makes a failed test tell; errors that make none tell

KINDS = {
    "contagion": "the fit",
    "nothing": "home alone",
    "likeness and shocks": "units alike where they are tied and shocks of regions, as fitted without contagion",
}

STANDS, LEADS, RIVALS, OPEN = "stands", "leads", "explained", "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """What the tests say of a contagion, and how often they err on this history's ties.

    Attributes:
        alone, beside: gains (twice the log-likelihood) and p-values against home alone, and beside units correlated
            over ties and shocks of regions in periods, whose spreads are `units` and `regions`.
        lead: gain and p-value of the same ties 14 days earlier beside the contagion, by rank among worlds of the fit;
            NaN where the ties have no dates of their own or no worlds were drawn.
        strength: of the contagion beside both.
        rates: share of worlds of each kind in which both tests pass: contagion, nothing, likeness and shocks.
        worlds: of each kind.
        word: ``stands``, ``leads``, ``explained`` or ``cannot tell``.
    """

    alone: tuple[float, float]
    beside: tuple[float, float]
    units: float
    regions: float
    lead: tuple[float, float]
    strength: float
    rates: Mapping[str, float]
    worlds: int
    word: str

    def __str__(self) -> str:
        power = self.rates.get("contagion", math.nan)
        fooled = max((v for k, v in self.rates.items() if k != "contagion"), default=math.nan)
        what = {
            STANDS: "The contagion stands beside its rivals",
            LEADS: "The same ties earlier explain more than the contagion would leave them: what is tied moves first",
            RIVALS: "What units have in common where they are tied, or shocks of regions, explain it as well",
            OPEN: "Cannot tell: these ties and so few events do not tell contagion from its rivals",
        }[self.word]
        if not self.worlds:
            return f"{what} (how often the tests err here was not simulated)."
        return (
            f"{what}. On these ties both tests pass in {round(power * self.worlds)} of {self.worlds} worlds of the "
            f"fit, and in {round(fooled * self.worlds)} of {self.worlds} at most where there is no contagion."
        )


def judge(
    fit: Fit,
    record: History,
    name: str,
    null: Mapping[str, float],
    worlds: int,
    seed: int,
    told: Told | None = None,
) -> Verdict | None:
    """Return the verdict on a contagion; None where its formula has no strength to take out.

    Parameters:
        name: 'transition | cause'.
        null: the parameters of its transition, fitted without it.
        worlds: of each kind, for the rates and the lead; 0 for none. They are kept in the user's cache.
    """
    strength = f"{name}{BAR}susceptibility{BAR}1"
    if strength not in fit.values:
        return None
    program = fit.program(record)
    cause = next(c for c in range(len(program.causes)) if program.cause_name(c) == name)
    move = [each.name for each in program.model.transitions].index(program.slots[cause].transition)
    without = {**fit.values, **null, strength: -math.inf}
    case = _Case(
        program,
        move,
        cause,
        program.pack(without),
        program.pack({**fit.values, strength: 0.0}),
        Plan.make(record, program.causes[cause][1].layer),  # type: ignore[union-attr]
        earlier(record, program, cause),
    )
    cells = case.cells(program)
    units, regions = cells.likeliest()
    alone, (beside, found) = cells.gain()[0], cells.gain(units, regions)
    lead = cells.gain(lead=True)[0] if case.ahead is not None else math.nan
    rates: dict[str, float] = {}
    leads: list[float] = []
    if worlds:
        rates, leads = _kept(
            _key(fit, record, name, worlds, seed),
            lambda: _rates(
                fit, record, case, cells.effects(units, regions), (units, regions), worlds, seed, told
            ),
        )
    p_lead = (1 + sum(each >= lead - 1e-9 for each in leads)) / (1 + len(leads)) if leads else math.nan
    ps = half_chi_square(alone), half_chi_square(beside)
    return Verdict(
        (alone, ps[0]), (beside, ps[1]), units, regions, (lead, p_lead), found, rates, worlds,
        _word(max(ps), p_lead, rates),
    )  # fmt: skip


def _word(p: float, lead: float, rates: Mapping[str, float]) -> str:
    power = rates.get("contagion", math.nan)
    fooled = max((v for k, v in rates.items() if k != "contagion"), default=0.0)
    if p > LEVEL:
        return RIVALS if power >= SURE else OPEN
    if lead <= LEVEL:
        return LEADS
    return OPEN if fooled > FOOLED else STANDS


@dataclass(frozen=True)
class _Case:
    """A contagion that is judged: where it stands, and what reads a world."""

    program: Program
    move: int
    cause: int
    null: Floats
    one: Floats
    plan: Plan
    ahead: Program | None

    def cells(self, world: Program) -> Cells:
        """Return the cells of a world."""
        led = None
        if self.ahead is not None:
            led = replace(self.ahead, observed=world.observed, spans=None)
        return Cells.of(world, self.move, self.cause, self.null, self.one, self.plan, led)


def earlier(record: History, program: Program, cause: int) -> Program | None:
    """Return the program with the dated ties of a cause's layer some days earlier; None where none has a date."""
    numbers = record.numbers
    layer = program.causes[cause][1].layer  # type: ignore[union-attr]
    ties = numbers.ties[layer]
    dated = (ties.start > numbers.start) | (ties.end < numbers.end)
    if not dated.any():
        return None
    ahead = LEAD.get(record.clock, (numbers.end - numbers.start) / 50)
    start = np.where(ties.start > numbers.start, np.maximum(ties.start - ahead, numbers.start), ties.start)
    end = np.where(ties.end < numbers.end, np.maximum(ties.end - ahead, start), ties.end)
    kept = end > start
    shifted = replace(
        ties,
        source=ties.source[kept],
        target=ties.target[kept],
        weight=ties.weight[kept],
        start=start[kept],
        end=end[kept],
    )
    other = altered(record, replace(numbers, ties={**numbers.ties, layer: shifted}))
    return program.model.compile(other, program.learned)


def _rates(
    fit: Fit, record: History, case: _Case, effects: Floats, spreads: tuple[float, float],
    worlds: int, seed: int, told: Told | None,
) -> tuple[dict[str, float], list[float]]:  # fmt: skip
    """Return how often both tests pass in worlds of each kind, and the gains of the lead in worlds of the fit."""
    program = case.program
    rival, vector = _with_effects(program, case, effects)
    made = {
        "contagion": (program, program.pack(fit.values)),
        "nothing": (program, case.null),
        "likeness and shocks": (rival, vector),
    }
    rates: dict[str, float] = {}
    leads: list[float] = []
    for number, (kind, (source, params)) in enumerate(made.items()):
        drawn = Worlds(program, source.simulate(params, worlds, (seed + number) % 2**64))

        def tried(k: int, drawn: Worlds = drawn) -> tuple[float, float, float]:
            world = drawn[k]
            if not complete(world, [case.move]):
                return 0.0, 0.0, 0.0
            cells = case.cells(world)
            ahead = cells.gain(lead=True)[0] if case.ahead is not None else math.nan
            return cells.gain()[0], cells.gain(*spreads)[0], ahead

        passed = 0
        with ThreadPoolExecutor(threads()) as pool:
            for done, (alone, beside, lead) in enumerate(pool.map(tried, range(worlds)), 1):
                passed += max(half_chi_square(alone), half_chi_square(beside)) <= LEVEL
                if kind == "contagion" and not math.isnan(lead):
                    leads.append(lead)
                if told is not None:
                    told(number * worlds + done, len(made) * worlds)
        rates[kind] = passed / worlds
    return rates, leads


def _with_effects(program: Program, case: _Case, effects: Floats) -> tuple[Program, Floats]:
    """Return a program whose home hazards of a transition have effects of units and periods, and its parameters."""
    history, edges = program.history, case.plan.edges
    count, width = effects.shape
    rows = CovariateArrays(
        np.repeat(np.arange(count, dtype=np.int32), width), effects.ravel(), np.tile(edges[:-1], count),
        np.tile(edges[1:], count),
    )  # fmt: skip
    numbers = history.numbers
    other = altered(history, replace(numbers, covariates={**numbers.covariates, RIVAL: rows}))
    moves = list(program.model.transitions)
    move = moves[case.move]
    causes = [
        replace(each, formula=f"{each.formula} + {RIVAL}") if isinstance(each, Baseline) else each
        for each in move.causes
    ]
    moves[case.move] = Transition(move.variable, move.origin, move.to, *causes, requires=move.requires)
    made = Model(program.model.variables, moves).compile(other)
    known = dict(zip(program.parameter_names, case.null.tolist(), strict=True))
    return made, made.pack({name: known.get(name, 1.0) for name in made.parameter_names})


def _key(fit: Fit, record: History, name: str, worlds: int, seed: int) -> str:
    from tocsin.model.toml import write_model

    content = [
        record.digest,
        write_model(fit.model),
        sorted(fit.values.items()),
        name,
        worlds,
        seed,
        FORMAT,
        1,
    ]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:24]


def _kept(
    key: str, make: Callable[[], tuple[dict[str, float], list[float]]]
) -> tuple[dict[str, float], list[float]]:
    """Return what the user's cache has under a key; else make it, and keep it where that can be done."""
    import platformdirs

    path = Path(platformdirs.user_cache_dir("tocsin")) / "rates" / f"{key}.json"
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if format_fault(content) is None:
            return dict(content["rates"]), list(content["leads"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing is kept, or it is broken: it is made again
    rates, leads = make()
    with suppress(TocsinError):  # a cache that cannot be written costs time only
        write_whole(path, json.dumps({"format": FORMAT, "rates": rates, "leads": leads}))
    return rates, leads


def as_record(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain content for a table."""
    told = asdict(verdict)
    rates = told.pop("rates")
    return {**told, **{f"passes under {kind}": rates.get(kind, math.nan) for kind in KINDS}}
