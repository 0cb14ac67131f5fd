"""Where terms are counted from, and in what unit: covariates are centred and scaled before they are estimated.

A calendar year lies two thousand from zero and moves by a few; a rate at the year zero then says nothing, and
what is known of it drowns what is known of the slope. So an estimate is made of the rate at the mean of every
term, and of effects per standard deviation, both taken over the time at risk; and is told on the user's scale.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.errors import FitError
from tocsin.history.arrays import LONG, THINNED
from tocsin.kernels.layout import LAYER, SOURCE, TARGET, TRANSITION
from tocsin.kernels.spread import spread
from tocsin.model.terms import factors_of
from tocsin.program.ages import spread_terms
from tocsin.program.exposure import swept_home

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.cause import CauseData
    from tocsin.program.design import Design
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

FARTHEST = 1e12  # of a mean from zero in standard deviations: beyond it four digits of a difference are left, or fewer
CONSTANT = "1"
MOST_LAID = 4  # programs of which the map is kept
NEAR, WIDE = 3.0, 100.0  # of a long design that may stay as it is


@dataclass(frozen=True)
class Side:
    """The terms of one formula, centred and scaled.

    The scaled column of a term x is (x - centre base) / scale, its base being a constant 1; that of a product is
    the product of the scaled columns of its factors. Levels of a category stay as they are: zero is the reference.

    Attributes:
        centre, scale: of each term (k,).
        base: what the centre of each term multiplies, as a sum of the terms (k, k), one row a term.
        parts: of each term the terms whose scaled columns it is the product of, itself where it stands alone.
        turn: what makes coefficients on the user's scale of scaled ones (k, k).
        level: what one scaled unit of each term takes from the logarithm of the level (k,), where the level is
            another formula's.
        constant: the terms of which a constant 1 is made (k,), zeros where it is none of theirs.
    """

    centre: Floats
    scale: Floats
    base: Floats
    parts: tuple[tuple[int, ...], ...]
    turn: Floats
    level: Floats
    constant: Floats

    def applied(self, design: Design) -> Design:
        """Return a design with its terms centred and scaled."""
        if design.times is not None:  # a scaled term is a sum of terms, the age's among them
            return replace(design, matrix=design.matrix @ self.turn, times=design.times @ self.turn)
        before = design.by_term
        columns = np.empty(before.shape)
        alone = [k for k, parts in enumerate(self.parts) if parts == (k,)]
        for k in alone:
            if self.centre[k] == 0.0:
                columns[k] = before[k]
            elif np.array_equal(self.base[k], self.constant):
                np.subtract(before[k], self.centre[k], out=columns[k])
            else:
                columns[k] = before[k] - self.centre[k] * (self.base[k] @ before)
            if self.scale[k] != 1.0:
                columns[k] /= self.scale[k]
        for k, parts in enumerate(self.parts):
            if parts != (k,):
                columns[k] = 1.0
                for part in parts:
                    columns[k] *= columns[part]
        made = replace(design, matrix=columns.T)
        made.__dict__["by_term"] = columns
        if "ranges" in design.__dict__ and len(alone) == len(self.parts):
            made.__dict__["ranges"] = tuple((end - self.centre) / self.scale for end in design.ranges)
        if "thin" in design.__dict__:
            made.__dict__["thin"] = np.ascontiguousarray(columns[:, ::THINNED])
        return made


@dataclass(frozen=True)
class _Terms:
    """The terms of a formula by their factors, and which are levels of a category."""

    names: tuple[str, ...]
    columns: Floats
    factors: tuple[tuple[str, ...], ...]
    category: NDArray[np.bool_]

    @staticmethod
    def of(design: Design) -> _Terms:
        columns = design.by_term
        if design.times is not None:
            columns = columns + math.pi * design.times.T  # at some age, which is no level
        zero_or_one = (((x == 0.0) | (x == 1.0)).all() for x in columns)
        levels = [
            name.endswith("]") and bool(flag) for name, flag in zip(design.terms, zero_or_one, strict=True)
        ]
        category = np.array(levels, dtype=bool)
        return _Terms(design.terms, columns, tuple(factors_of(name) for name in design.terms), category)

    @cached_property
    def place(self) -> dict[tuple[str, ...], int]:
        return {factors: k for k, factors in enumerate(self.factors)}

    @cached_property
    def constant(self) -> Floats:
        """Return the terms whose sum is 1 everywhere (k,): the intercept, or all levels of one category."""
        found = np.zeros(len(self.names))
        if () in self.place:
            found[self.place[()]] = 1.0
            return found
        for members in self._levels().values():
            if (self.columns[members].sum(axis=0) == 1.0).all():
                found[members] = 1.0
                break
        return found

    def _levels(self) -> dict[str, list[int]]:
        stems: dict[str, list[int]] = {}
        for k, name in enumerate(self.names):
            if self.category[k] and len(self.factors[k]) == 1:
                stems.setdefault(name[: name.index("[")], []).append(k)
        return stems

    def parts(self, k: int) -> tuple[int, ...]:
        """Return the terms whose product a term is, itself where one of its factors is no term."""
        known = [self.place.get((factor,)) for factor in self.factors[k]]
        if len(known) < 2 or None in known:
            return (k,)
        return tuple(int(each) for each in known if each is not None)

    def base(self, k: int) -> Floats:
        """Return what the centre of a term that stands alone may multiply, as a sum of terms (k,).

        For the slope within one level of a category that is the level, the reference being what the others
        leave.
        """
        kinds = [factor.endswith("]") for factor in self.factors[k]]
        if len(kinds) < 2 or not any(kinds) or sum(kinds) != len(kinds) - 1:
            return self.constant
        rest = tuple(factor for factor, kind in zip(self.factors[k], kinds, strict=True) if kind)
        found = np.zeros(len(self.names))
        if rest in self.place:
            found[self.place[rest]] = 1.0
        elif len(rest) == 1 and self.constant.any():
            others = self._levels().get(rest[0][: rest[0].index("[")], [])
            found = self.constant.copy()
            found[others] -= 1.0
            level = found @ self.columns
            slope = self.columns[k]
            if not others or not (
                ((level == 0.0) | (level == 1.0)).all() and (slope[level == 0.0] == 0.0).all()
            ):
                found = np.zeros(len(self.names))
        return found


def _side(design: Design, centre: Floats, scale: Floats, apart: bool) -> Side:
    """Lay out the terms of a formula.

    Parameters:
        centre, scale: of each term (k,).
        apart: whether the constant that centres are taken from is another formula's.
    """
    terms = _Terms.of(design)
    size, constant = len(terms.names), terms.constant
    parts = [terms.parts(k) for k in range(size)]
    base = np.zeros((size, size))
    centre, scale = np.where(terms.category, 0.0, centre), np.where(terms.category, 1.0, scale)
    for k in range(size):
        if parts[k] == (k,) and terms.names[k] != CONSTANT:
            base[k] = terms.base(k)
        if constant[k] != 0.0 or not (apart or base[k].any()):
            centre[k] = 0.0
        if constant[k] != 0.0:
            scale[k] = 1.0
    # A factor is centred where all products that it stands in have the margins that take up the rest.
    for k in range(size):
        if parts[k] != (k,):
            centre[k], scale[k] = 0.0, 1.0
            for chosen in itertools.product((False, True), repeat=len(parts[k])):
                rest = tuple(f for f, taken in zip(terms.factors[k], chosen, strict=True) if not taken)
                if rest and rest not in terms.place:
                    centre[[part for part, taken in zip(parts[k], chosen, strict=True) if taken]] = 0.0
    turn, level = np.zeros((size, size)), np.zeros(size)
    for k in range(size):
        if parts[k] == (k,):
            turn[k, k] = 1.0 / scale[k]
            turn[:, k] -= base[k] * (centre[k] / scale[k])
            level[k] = centre[k] / scale[k] if apart and not base[k].any() else 0.0
            continue
        expanded: dict[tuple[str, ...], float] = {(): 1.0}
        for factor, part in zip(terms.factors[k], parts[k], strict=True):
            grown: dict[tuple[str, ...], float] = {}
            for margin, value in expanded.items():
                for key, by in ((tuple(sorted((*margin, factor))), 1.0), (margin, -centre[part])):
                    grown[key] = grown.get(key, 0.0) + value * by / scale[part]
            expanded = grown
        for margin, value in expanded.items():
            if margin:
                if value:
                    turn[terms.place[margin], k] += value
            elif apart:
                level[k] -= value
            else:
                turn[:, k] += constant * value
    return Side(centre, scale, base, tuple(parts), turn, level, constant)


class _Cause(NamedTuple):
    """The two sides of a cause, and where its parameters stand."""

    target: Side
    source: Side | None
    targets: slice
    sources: slice
    alpha: int


@dataclass(frozen=True, eq=False)
class Scaling:
    """Where each term is counted from, and in what unit.

    Attributes:
        numbers: centre and scale by parameter name; a parameter that is not here is on the user's scale.
    """

    numbers: Mapping[str, tuple[float, float]]
    _laid: dict[int, tuple[tuple[Design, ...], Scaled]] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_laid": {}}

    def laid(self, program: Program) -> Scaled:
        """Return the map for a program; programs with the same designs (of other worlds, at other times) share it."""
        key = id(program.designs)
        if key not in self._laid:
            if len(self._laid) >= MOST_LAID:
                self._laid.pop(next(iter(self._laid)), None)
            self._laid[key] = program.designs, Scaled(self, program)
        return self._laid[key][1]

    @staticmethod
    def of(program: Program, tied: Iterable[Sequence[str]] = (), roughly: bool = False) -> Scaling:
        """Return means and standard deviations over the time at risk of each transition in a program's history.

        Terms of infectiousness are weighed by what they send: by the exposure of units at risk. Of a column with two
        values the scale is their distance, and a column that never varies is its own unit.

        Parameters:
            tied: parameters that take one value; they have the scale of the first of each group.
            roughly: whether long designs may stay as they are if their terms lie near zero already: without a prior
                the estimates are the same, and it saves a copy.

        Raises:
            FitError: a term lies too far from zero for its spread.
        """
        numbers: dict[str, tuple[float, float]] = {}
        weights: dict[tuple[int, int], Floats] = {}
        program = replace(program, spans=None) if program.spans is not None else program
        for number, cause in enumerate(program.likelihood.causes):
            near = roughly and _near(cause)
            if not near and not all(term == CONSTANT or term.endswith("]") for term in cause.design.terms):
                key = (
                    int(program.opening.cause[number, TRANSITION]),
                    int(program.opening.cause[number, TARGET]),
                )
                weight = weights[key] if key in weights else time_at_risk(cause)
                weights[key] = weight
                design = cause.design
                if design.times is not None:
                    columns, weight = spread_terms(design, cause.at_home())
                    design = replace(design, matrix=np.ascontiguousarray(columns.T), times=None)
                numbers |= _measured(program, number, design, cause.slots.target, weight)
            if cause.source_design is not None:
                sent = cause.swept(_decay(cause), keep=cause.slots.alpha >= 0).summed[:, :, 0].sum(axis=0)
                numbers |= _measured(program, number, cause.source_design, cause.slots.source, sent)
        for group in tied:
            scale = next((numbers[name][1] for name in group if name in numbers), 1.0)
            for name in group:
                if name in numbers:
                    numbers[name] = numbers[name][0], scale
        return Scaling(numbers)

    def sides(self, program: Program) -> list[_Cause | None]:
        """Return the sides of each cause of a program, None for causes that stay as they are."""
        found: list[_Cause | None] = []
        for number, slots in enumerate(program.slots):
            named = [program.parameter_names[position] for position in (*slots.target, *slots.source)]
            if not any(name in self.numbers for name in named):
                found.append(None)
                continue
            known = np.array([self.numbers.get(name, (0.0, 1.0)) for name in named]).reshape(-1, 2)
            width = len(slots.target)
            design = program.designs[program.opening.cause[number, TARGET]]
            target, source = _side(design, known[:width, 0], known[:width, 1], apart=False), None
            if len(slots.source):
                design = program.designs[program.opening.cause[number, SOURCE]]
                middle = known[width:, 0]
                if not target.constant.any():  # nothing takes up what centring takes away
                    middle = np.zeros(middle.size)
                source = _side(design, middle, known[width:, 1], apart=True)
            found.append(
                _Cause(
                    target,
                    source,
                    slice(slots.target.start, slots.target.stop),
                    slice(slots.source.start, slots.source.stop),
                    slots.alpha,
                )
            )
        return found

    def uncentred(self, program: Program, held: Iterable[int]) -> Scaling:
        """Return the scaling with sources counted from zero where a power makes of what is held no sum.

        With a power alpha the level at zero is that at the centres less alpha times what they stand for: a product
        of two numbers that are estimated.

        Parameters:
            held: positions of parameters that are fixed or tied on the user's scale.
        """
        numbers, asked = dict(self.numbers), set(held)
        for slots in program.slots:
            if slots.alpha >= 0 and asked & set(slots.target):
                for name in (program.parameter_names[p] for p in slots.source):
                    if name in numbers:
                        numbers[name] = 0.0, numbers[name][1]
        return Scaling(numbers)


def _decay(cause: CauseData) -> float:
    """Return ln 2 / half-life, for one to be estimated that of a quarter of the window."""
    vector = np.zeros(len(cause.program.parameter_names))
    if cause.slots.half_life >= 0:
        start, end = cause.program.opening.window
        vector[cause.slots.half_life] = math.log((end - start) / 4)
    return cause.shape(vector)[0]


def _near(cause: CauseData) -> bool:
    """Say whether the terms of a long design lie near zero and spread by about one, by a look at some of its rows."""
    design = cause.design
    if design.matrix.shape[0] <= LONG or any(len(factors_of(term)) > 1 for term in design.terms):
        return False
    middle, width, _ = spread(design.thin, np.ones(design.thin.shape[1])).T
    plain = np.array([term != CONSTANT for term in design.terms])
    fair = (np.abs(middle) < NEAR * width) & (width > 1.0 / WIDE) & (width < WIDE)
    return CONSTANT in design.terms and bool(fair[plain].all())


def time_at_risk(cause: CauseData) -> Floats:
    """Return the time that units at risk of a cause's transition spend in each of its target rows (rows,)."""
    if cause.design.age is not None:
        return np.asarray(cause.at_home().summed[:, 0, 0])
    home = cause.program.opening.cause[cause.number, LAYER] < 0
    found = None if home else swept_home(cause)
    if found is None:  # a covariate is missing at risk: the sweep says where
        found = cause.reference
    return np.asarray(found.summed[:, 0, 0])


def _measured(
    program: Program, number: int, design: Design, positions: range, weight: Floats
) -> dict[str, tuple[float, float]]:
    """Return centre and scale of the terms of one formula, by parameter name."""
    terms = _Terms.of(design)
    found: dict[str, tuple[float, float]] = {}
    middle, width, size = spread(design.by_term, weight).T
    for k, position in enumerate(positions):
        if terms.constant[k] != 0.0 or terms.category[k] or terms.parts(k) != (k,):
            continue
        base = terms.base(k)
        if not np.array_equal(base, terms.constant) and base.any():
            middle[k], width[k], size[k] = spread(
                design.by_term[k : k + 1], weight * (base @ design.by_term)
            )[0]
        if abs(middle[k]) > FARTHEST * width[k] > 0.0:
            raise FitError(
                f"{program.cause_name(number)!r}: {terms.names[k]!r} lies {abs(middle[k]) / width[k]:.1g} standard "
                f"deviations from zero (mean {middle[k]:.6g}, standard deviation {width[k]:.2g}), too far for double "
                f"precision to hold its differences: subtract {middle[k]:.6g} from it before making the history"
            )
        found[program.parameter_names[position]] = (
            float(middle[k]),
            float(width[k] if width[k] > 0.0 else size[k] if size[k] > 0.0 else 1.0),
        )
    return found


def _finite(vectors: Floats) -> Floats:
    return np.where(np.isfinite(vectors), vectors, 0.0)


class Scaled:
    """The map between parameters on the user's scale and scaled ones, for one program.

    user = turn . scaled in each cause, and centres of infectiousness move the level of its cause: alpha times as much
    where the response is a power, so that the map is linear for a given alpha only.
    """

    def __init__(self, scaling: Scaling, program: Program) -> None:
        self.scaling = scaling
        self.size = len(program.parameter_names)
        self.causes = scaling.sides(program)
        self._applied: dict[tuple[int, bool], tuple[Design, Design]] = {}
        # The levels of one cause have the same terms, which are turned once.
        known = {each.targets.start: each for each in self.causes if each is not None}
        self._parts = list(known.values())
        self._linear = [self._block(each) for each in self._parts]

    def design(self, number: int, source: bool, design: Design) -> Design:
        """Return a design as one cause sees it, centred and scaled."""
        cause = self.causes[number]
        side = None if cause is None else cause.source if source else cause.target
        if side is None:
            return design
        known = self._applied.get((number, source))
        if known is None or known[0] is not design:
            known = self._applied[number, source] = design, side.applied(design)
        return known[1]

    @staticmethod
    def _block(cause: _Cause, alpha: float = 1.0) -> tuple[slice, Floats]:
        """Return where a cause's coefficients stand, and what makes those of the user of scaled ones."""
        width = cause.targets.stop - cause.targets.start
        if cause.source is None:
            return cause.targets, cause.target.turn
        whole = slice(cause.targets.start, cause.sources.stop)
        size = whole.stop - whole.start
        block = np.zeros((size, size))
        block[:width, :width] = cause.target.turn
        block[width:, width:] = cause.source.turn
        block[:width, width:] = -alpha * np.outer(cause.target.constant, cause.source.level)
        return whole, block

    @staticmethod
    def _bent(cause: _Cause) -> bool:
        """Say whether a power multiplies what centres of infectiousness take from the level."""
        return cause.source is not None and cause.alpha >= 0 and bool(cause.source.level.any())

    def alphas(self, position: int) -> list[int]:
        """Return the logarithms of alpha that must be known for a parameter to be a sum of scaled ones."""
        return [
            each.alpha
            for each in self._parts
            if self._bent(each)
            and each.target.constant[position - each.targets.start :][:1].any()
            and each.targets.start <= position < each.targets.stop
        ]

    def _blocks(self, at: Floats) -> list[tuple[slice, Floats]]:
        """Return the blocks of the map for the alphas of a vector (P,)."""
        return [
            self._block(each, math.exp(at[each.alpha])) if self._bent(each) else block
            for each, block in zip(self._parts, self._linear, strict=True)
        ]

    def user(self, vectors: Floats) -> Floats:
        """Return parameters on the user's scale (..., P) from scaled ones; a strength of zero stays zero."""
        result = vectors.copy()
        for cause, (place, block) in zip(self._parts, self._linear, strict=True):
            own = vectors[..., place]
            turned = np.where(np.isneginf(own), 0.0, own) @ block.T
            if self._bent(cause):
                turned[..., : cause.target.constant.size] -= self._shift(
                    cause, vectors, vectors[..., cause.sources]
                )
            result[..., place] = np.where(np.isneginf(own), -np.inf, turned)
        return result

    def scaled(self, vectors: Floats) -> Floats:
        """Return scaled parameters (..., P) from those on the user's scale; the inverse of `user`."""
        result = vectors.copy()
        for cause, (place, block) in zip(self._parts, self._linear, strict=True):
            own = vectors[..., place]
            known: Floats = np.where(np.isneginf(own), 0.0, own)
            if self._bent(cause) and cause.source is not None:
                marks = np.linalg.solve(cause.source.turn, _finite(vectors[..., cause.sources])[..., None])
                known[..., : cause.target.constant.size] += self._shift(cause, vectors, marks[..., 0])
            turned = np.linalg.solve(block, known[..., None])[..., 0]
            result[..., place] = np.where(np.isneginf(own), -np.inf, turned)
        return result

    @staticmethod
    def _shift(cause: _Cause, vectors: Floats, marks: Any) -> Floats:
        """Return what the centres of infectiousness take from the level beyond an alpha of 1 (..., terms)."""
        assert cause.source is not None
        more = np.expm1(vectors[..., cause.alpha]) * (_finite(marks) @ cause.source.level)
        return np.asarray(more[..., None] * cause.target.constant)

    def row(self, position: int, at: Floats) -> Floats:
        """Return a parameter on the user's scale as a sum of scaled ones (P,), for the alphas of a vector (P,)."""
        found = np.zeros(self.size)
        found[position] = 1.0
        for place, block in self._blocks(at):
            if place.start <= position < place.stop:
                found[place] = block[position - place.start]
        return found

    def turned(self, matrix: Floats, at: Floats) -> Floats:
        """Return how parameters on the user's scale move as scaled ones do (P, M), at a scaled vector (P,)."""
        result = matrix.copy()
        for cause, (place, block) in zip(self._parts, self._blocks(at), strict=True):
            result[place] = block @ matrix[place]
            if self._bent(cause):
                result[cause.targets] += np.outer(self._slope(cause, at), matrix[cause.alpha])
        return result

    @staticmethod
    def _slope(cause: _Cause, at: Floats) -> Floats:
        """Return how the level at zero moves with the logarithm of alpha (terms,)."""
        assert cause.source is not None
        moved = math.exp(at[cause.alpha]) * (_finite(at[cause.sources]) @ cause.source.level)
        return np.asarray(-moved * cause.target.constant)

    def covariance(self, matrix: Floats, at: Floats) -> Floats:
        """Return the covariance of parameters on the user's scale from that of scaled ones (P, P), at a scaled
        vector (P,)."""
        result = matrix.copy()
        blocks = self._blocks(at)
        for place, block in blocks:
            result[place] = block @ result[place]
        for place, block in blocks:
            result[:, place] = result[:, place] @ block.T
        for cause in filter(self._bent, self._parts):
            slope = self._slope(cause, at)
            result[cause.targets] += np.outer(slope, result[cause.alpha])
            result[:, cause.targets] += np.outer(result[:, cause.alpha], slope)
        return result

    def gradient(self, vector: Floats, at: Floats) -> Floats:
        """Return the gradient by parameters on the user's scale from that by scaled ones (P,), at a scaled vector."""
        result = vector.copy()
        for cause, (place, block) in zip(self._parts, self._blocks(at), strict=True):
            result[place] = np.linalg.solve(block.T, vector[place])
            if self._bent(cause):
                result[cause.alpha] -= result[cause.targets] @ self._slope(cause, at)
        return result
