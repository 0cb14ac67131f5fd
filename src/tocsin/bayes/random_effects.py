"""Random effects: what a unit or a month has of its own, beyond all that is known of it.

They multiply every cause of a transition. Frailty: log hazard + b_i, with b_i normal with mean 0 and an
estimated standard deviation (Vaupel, Manton & Stallard 1979, there as a gamma factor). Shock: log hazard +
s(t), a random walk over the months of the window, the same for all units.

The program is compiled with one more term for each, whose values are only numbers of units or of periods.
Design rows then tell units and periods apart, so that the sweeps sum up what each effect multiplies; the
numbers are put in place of the values wherever a draw is used.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, suggestion
from tocsin.fit.maximum.newton import intercept
from tocsin.kernels.layout import TARGET
from tocsin.model.declaration import BAR, Baseline, Contagion, Transition
from tocsin.model.model import Model
from tocsin.program.grouped import is_grouped
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.model.learned import Learned
    from tocsin.program.program import Program
    from tocsin.program.scaling import Scaling

    Floats = NDArray[np.float64]

SPREAD = 1.0  # scale of the half-normal prior of a standard deviation

MOST_PERIODS = 240

EQUAL_PERIODS = 24  # of a window in plain numbers


@dataclass(frozen=True)
class EffectBlock:
    """The effects of one kind on one transition.

    Attributes:
        kind: "frailty" or "shock"; transition: its name.
        column: the name of the term that numbers them.
        labels: units, or the first days (or numbers) of the periods (K,).
        basis: what makes effects of standard deviation 1 of independent normal numbers (K, Z); None where
            they are the same.
        first: where they begin in the vector of all effects.
        spread: scale of the half-normal prior of their standard deviation.
    """

    kind: str
    transition: str
    column: str
    labels: tuple[Any, ...]
    basis: Floats | None
    first: int
    spread: float

    @property
    def size(self) -> int:
        """Return how many effects there are."""
        return len(self.labels)

    @property
    def inner(self) -> int:
        """Return how many independent normal numbers make them."""
        return self.size if self.basis is None else int(self.basis.shape[1])

    def spread_out(self, free: Floats) -> Floats:
        """Return effects of standard deviation 1 from independent normal numbers (..., Z)."""
        return free if self.basis is None else free @ self.basis.T

    def gather(self, gradient: Floats) -> Floats:
        """Return the gradient in the normal numbers (Z,) from that in the effects (K,)."""
        return gradient if self.basis is None else gradient @ self.basis


@dataclass(frozen=True, eq=False)
class Effects:
    """A program in whose design rows units and periods are numbered, and its random effects.

    Attributes:
        plain: the program as declared.
        program: the program with the terms that number; the same one where there are no effects.
        blocks: the effects.
        keep: positions of the declared parameters among those of `program`.
    """

    plain: Program
    program: Program
    blocks: tuple[EffectBlock, ...]
    keep: NDArray[np.int64]

    def on_scale(self, scaling: Scaling | None) -> Effects:
        """Return the same with the declared terms centred and scaled."""
        plain = self.plain.on_scale(scaling)
        same = self.program is self.plain
        return dataclasses.replace(
            self, plain=plain, program=plain if same else self.program.on_scale(scaling)
        )

    @property
    def size(self) -> int:
        """Return how many effects there are in all."""
        return sum(block.size for block in self.blocks)

    def terms(
        self, design: int, program: Program | None = None
    ) -> tuple[list[int], list[tuple[int, EffectBlock]]]:
        """Return which columns of a design are declared terms, and which number the effects of a block.

        Parameters:
            design: its number, where no program is given in the program as its record is read.
        """
        names = (program or self.program.recorded).designs[design].terms
        blocks = {block.column: block for block in self.blocks}
        numbered = [(place, blocks[name]) for place, name in enumerate(names) if name in blocks]
        return [place for place, name in enumerate(names) if name not in blocks], numbered

    def rows(self, design: int) -> NDArray[np.int64]:
        """Return the effects of every target row of a design of the record (rows, 2), -1 for none."""
        matrix = self.program.recorded.designs[design].matrix
        found = np.full((matrix.shape[0], 2), -1, dtype=np.int64)
        for which, (place, block) in enumerate(self.terms(design)[1]):
            found[:, which] = block.first + matrix[:, place].astype(np.int64)
        return found

    def at(self, program: Program, vector: Floats, effect: Floats) -> tuple[Program, Floats]:
        """Return a program with given effects and its whole vector.

        Parameters:
            program: `self.program`, or what interventions made of it.
            vector: the declared parameters (P,); effect: all effects.
        """
        if not self.blocks:
            return program, vector
        designs = list(program.designs)
        for number in set(program.layout.cause[:, TARGET].tolist()):
            numbered = self.terms(number, program)[1]
            if numbered:
                matrix = designs[number].matrix.copy()
                for place, block in numbered:
                    matrix[:, place] = effect[block.first + matrix[:, place].astype(np.int64)]
                designs[number] = dataclasses.replace(designs[number], matrix=matrix)
        whole = np.ones(len(program.parameter_names))
        whole[self.keep] = vector
        return dataclasses.replace(program, designs=tuple(designs)), whole


@dataclass(frozen=True)
class Pool:
    """Levels of one cause (`by=`) that are drawn from one normal distribution, in log mass or in log half-life.

    A level's log mass is the logarithm of its strength times its half-life over log 2. What the levels have in common
    is one strength and one half-life; a level departs from them by its own number times the standard deviation.

    Attributes:
        kind: "mass" or "half_life"; transition, cause: their names.
        labels: the levels (L,).
        into: what a departure of each level adds to every declared parameter (P, L): a longer half-life at the same
            mass takes from the strength.
        spread: scale of the half-normal prior of the standard deviation.
    """

    kind: str
    transition: str
    cause: str
    labels: tuple[str, ...]
    into: Floats
    spread: float

    @property
    def inner(self) -> int:
        """Return how many independent normal numbers make the departures."""
        return len(self.labels)

    @property
    def name(self) -> str:
        """Return what summaries call the standard deviation."""
        return BAR.join([self.transition, self.cause, "pooled", f"{self.kind} sd"])


def pools_of(program: Program) -> tuple[tuple[Pool, ...], list[list[str]]]:
    """Return the pools of a program, and the groups of parameters that are one where levels are all alike."""
    pools: list[Pool] = []
    tied: list[list[str]] = []
    names = program.parameter_names
    levels: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for number, (_, cause) in enumerate(program.causes):
        if isinstance(cause, Contagion) and cause.pooled is not None:
            slots = program.slots[number]
            levels.setdefault((slots.transition, slots.plain), []).append((number, cause.pooled))
    for (transition, plain), members in levels.items():
        own = [program.slots[number] for number, _ in members]
        labels = tuple(each.cause[len(plain) + 1 : -1] for each in own)
        lives = [each.half_life for each in own]
        strengths = [intercept(program, number) for number, _ in members]
        for kind, places in (("mass", strengths), ("half_life", lives)):
            if len(set(places)) < 2:
                continue  # shared
            tied.append([names[place] for place in places])
            into = np.zeros((len(names), len(places)))
            into[places, np.arange(len(places))] = 1.0
            if kind == "half_life" and len(set(strengths)) > 1:
                into[strengths, np.arange(len(places))] = -1.0
            pools.append(Pool(kind, transition, plain, labels, into, members[0][1]))
    return tuple(pools), tied


Asked = Iterable[str] | Mapping[str, float] | bool | None


def with_effects(
    model: Model,
    history: History,
    frailty: Asked = None,
    shock: Asked = None,
    learned: Learned | None = None,
) -> Effects:
    """Compile a model with random effects on some of its transitions.

    Parameters:
        frailty, shock: names of transitions, or True for all; a mapping gives the scale of the half-normal
            prior of each standard deviation (1 by default).
        learned: what the formulas learnt from another history.

    Raises:
        ModelError: an unknown transition, or a scale that is not positive.
    """
    plain = model.compile(history, learned)
    wanted = [("frailty", _asked(frailty, model, "frailty")), ("shock", _asked(shock, model, "shock"))]
    if not any(asked for _, asked in wanted):
        return Effects(plain, plain, (), np.arange(len(plain.parameter_names)))
    known = {*plain.joint.names, *history.numbers.covariates, *history.numbers.static}
    if is_grouped(history):
        raise ModelError(
            f"frailty= and shock= need times by day, or moments; this history knows them by {noun(history.clock)}"
        )
    blocks: list[EffectBlock] = []
    numbers = history.numbers
    static, covariates = dict(numbers.static), dict(numbers.covariates)
    first = 0
    for kind, asked in wanted:
        for name, spread in asked.items():
            column = f"_{kind}_{[each.name for each in model.transitions].index(name)}"
            while column in known:
                column = f"_{column}"
            if kind == "frailty":
                static[column] = np.arange(len(numbers.units), dtype=np.float64)
                block = EffectBlock(kind, name, column, tuple(numbers.units), None, first, spread)
            else:
                edges = periods(history)
                covariates[column] = _numbered(edges)
                labels = (
                    tuple(np.asarray(history.to_date(edges[:-1])))
                    if history.dated
                    else tuple(edges[:-1].tolist())
                )
                block = EffectBlock(kind, name, column, labels, random_walk(np.diff(edges)), first, spread)
            blocks.append(block)
            first += block.size
    numbered = copy.copy(history)
    numbered.__dict__["numbers"] = dataclasses.replace(numbers, static=static, covariates=covariates)
    program = _with_terms(model, blocks).compile(numbered)
    columns = {block.column for block in blocks}
    keep = [p for p, name in enumerate(program.parameter_names) if name.split(" | ")[-1] not in columns]
    return Effects(plain, program, tuple(blocks), np.array(keep))


def _asked(asked: Asked, model: Model, kind: str) -> dict[str, float]:
    names = [transition.name for transition in model.transitions]
    if asked is None or asked is False:
        return {}
    if asked is True:
        return dict.fromkeys(names, SPREAD)
    if isinstance(asked, str):
        asked = [asked]
    scales = dict(asked) if isinstance(asked, Mapping) else dict.fromkeys(asked, SPREAD)
    for name, spread in scales.items():
        if name not in names:
            raise ModelError(f"{kind}= names an unknown transition {name!r}{suggestion(str(name), names)}")
        if isinstance(spread, bool | str) or not (math.isfinite(spread) and spread > 0):
            raise ModelError(
                f"{kind}= of {name!r}: the scale of its prior is a number above 0, not {spread!r}"
            )
    return {str(name): float(spread) for name, spread in scales.items()}


def _with_terms(model: Model, blocks: Iterable[EffectBlock]) -> Model:
    """Return the model with the numbering terms in the targets' formulas."""
    transitions = []
    for transition in model.transitions:
        more = "".join(f" + {block.column}" for block in blocks if block.transition == transition.name)
        causes: list[Baseline | Contagion] = []
        for cause in transition.causes:
            if isinstance(cause, Baseline):
                causes.append(dataclasses.replace(cause, formula=cause.formula + more))
            else:
                causes.append(dataclasses.replace(cause, susceptibility=cause.susceptibility + more))
        transitions.append(
            Transition(
                transition.variable, transition.origin, transition.to, *causes, requires=transition.requires
            )
        )
    return Model(model.variables, transitions)


def periods(history: History) -> Floats:
    """Return the edges of the periods of a shock (K + 1,): months, or years where months are too many.

    A window in plain numbers has 24 equal periods.
    """
    start, end = float(history.numbers.start), float(history.numbers.end)
    if history.clock == "day":
        import pandas as pd

        first = pd.Timestamp(str(history.to_date(start)))
        for rule in ("MS", "QS", "YS"):
            starts = pd.date_range(first, first + pd.Timedelta(days=end - start), freq=rule)
            if len(starts) <= MOST_PERIODS:
                break
        inside = start + np.asarray((starts - first).days, dtype=np.float64)
    else:
        inside = np.linspace(start, end, EQUAL_PERIODS + 1)[:-1]
    inside = inside[(inside > start) & (inside < end)]
    return np.concatenate([[start], inside, [end]])


def _numbered(edges: Floats) -> Any:
    """Return the covariate that numbers the periods, for all units."""
    from tocsin.history.arrays import CovariateArrays

    count = edges.size - 1
    return CovariateArrays(
        np.full(count, -1, dtype=np.int32), np.arange(count, dtype=np.float64), edges[:-1], edges[1:]
    )


def random_walk(lengths: Floats) -> Floats:
    """Return what makes a random walk over periods of independent normal numbers (K, K - 1).

    Its mean over time is 0, so that it does not compete with an intercept, and its scale is such that the
    geometric mean of the variances is 1 (Sørbye & Rue 2014): its standard deviation is that of the log hazard
    over the window, whatever the number of periods.
    """
    count = lengths.size
    if count < 2:
        raise ModelError("shock= needs a window of at least two periods (months, or years)")
    steps = np.sqrt((lengths[1:] + lengths[:-1]) / 2)
    walk = np.vstack([np.zeros((1, count - 1)), np.tril(np.ones((count - 1, count - 1)))]) * steps
    walk -= (lengths / lengths.sum()) @ walk
    return np.asarray(walk / math.exp(0.5 * np.log((walk**2).sum(axis=1)).mean()))
