"""What is wrong with a fit, in words: what to know before, and what to know after."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, ModelError
from tocsin.fit.covariance import half_ranges
from tocsin.fit.maximum.newton import intercept
from tocsin.history.arrays import LONG, THINNED
from tocsin.history.tables.schema import since
from tocsin.kernels.exposure_sweep import AFTER, BEFORE, EXPLAINED, VARIABLE
from tocsin.kernels.integral import integrate
from tocsin.kernels.layout import LAYER, MOVES
from tocsin.model.declaration import BAR, Contagion
from tocsin.model.special_terms import AGE
from tocsin.program.ages import Spells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.covariance import Identified
    from tocsin.fit.maximum.constraint import Constraint
    from tocsin.fit.maximum.search import Found, Task
    from tocsin.program.cause import CauseData
    from tocsin.program.design import Design
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

CONFUSED = 0.9  # correlation of two estimates above which the data hardly tell them apart


def refuse_pooled(program: Program) -> None:
    """Refuse levels that are drawn from one distribution: of its spread no likelihood has a maximum to trust.

    Raises:
        ModelError: naming the cause, and what to do.
    """
    for transition, cause in program.causes:
        if isinstance(cause, Contagion) and cause.pooled is not None:
            raise ModelError(
                f"{transition.name!r}: the cause {cause.name!r} has pooled=, whose levels are drawn from one "
                "distribution and have no maximum of a likelihood: draw from the posterior by model.sample(history), "
                "or leave pooled= out to fit each level by itself"
            )


def refuse_empty(program: Program) -> None:
    """Refuse a transition without any event.

    Raises:
        FitError: naming the transition, and what to do.
    """
    counts = np.bincount(
        program.trace.events[:, EXPLAINED][program.trace.events[:, EXPLAINED] >= 0],
        minlength=len(program.model.transitions),
    )
    for transition, count in zip(program.model.transitions, counts, strict=True):
        if not count:
            raise FitError(
                f"no event of {transition.name!r} was observed, so its hazard cannot be estimated: "
                "leave the transition out, or use a wider window"
            )


def aliased(program: Program, constraint: Constraint) -> dict[int, str]:
    """Return parameters that cannot be told from others whatever happens, and why.

    A term that never changes while its transition is at risk is part of the intercept; one that is a sum of
    others adds nothing. The later of such terms is left out.
    """
    found: dict[int, str] = {}
    for number, cause in enumerate(program.likelihood.causes):
        slots = cause.slots
        alike = [c for c, other in enumerate(program.slots) if other.target == slots.target]
        if number != alike[0]:
            continue  # levels of one cause, whose terms are looked at together
        summed = np.sum([program.likelihood.causes[c].reference.summed[:, :, 0] for c in alike], axis=0)
        seen = summed > 0
        own = [*slots.target, *slots.source]
        free = [k for k, position in enumerate(own) if constraint.group[position] >= 0]
        place = intercept(program, number)
        if not seen.any() or len(free) < 2 - (place < 0):
            continue
        # What is centred has lost what it shares with the intercept, which takes it up unless it is fixed.
        view = cause if place < 0 or constraint.group[place] >= 0 else cause.of_scale(program.on_scale(None))
        if (
            not len(slots.source)
            and view.design.times is None
            and _clearly_independent(view.design, np.asarray(seen.any(axis=1)), free)
        ):
            continue
        terms = _met(view, seen)
        if not _independent(terms if len(free) == terms.shape[1] else terms[:, free]):
            told = (
                terms if cause.program.scaling is None else _met(cause.of_scale(program.on_scale(None)), seen)
            )
            found |= _dependent(program, own, terms, told, free, program.cause_name(number))
    return found


def _met(cause: CauseData, seen: NDArray[np.bool_]) -> Floats:
    """Return the terms that a cause meets, those of targets before those of sources."""
    if cause.design.times is not None:
        return cause.met if not len(cause.slots.source) else np.hstack([cause.met, _marked(cause)])
    if len(cause.slots.source):
        row, mark = np.nonzero(seen)
        return np.hstack([cause.matrix[row], cause.marks[mark]])
    met = seen.any(axis=1)
    return np.asarray(cause.matrix if met.all() else cause.matrix[met])


def _marked(cause: CauseData) -> Floats:
    """Return the source terms beside `cause.met`: of each of its rows one that sends, in turn."""
    return cause.marks[np.arange(len(cause.met)) % len(cause.marks)]


def _dependent(
    program: Program, own: list[int], terms: Floats, told: Floats, free: list[int], cause: str
) -> dict[int, str]:
    """Return the free terms that are sums of free terms before them, and why.

    Parameters:
        terms: what is met, as it is told apart; told: the same as the user has it.
    """
    names, found = program.parameter_names, {}
    kept: list[int] = []
    basis = np.empty((terms.shape[0], 0))
    for k in free:
        column = terms[:, k]
        size = float(np.linalg.norm(column))
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if size > 0 and np.linalg.norm(rest) > 1e-8 * size:
            basis = np.hstack([basis, (rest / np.linalg.norm(rest))[:, None]])
            kept.append(k)
            continue
        name = names[own[k]]
        term = name.split(BAR)[3]
        if not np.ptp(column):
            reason = (
                f"{term!r} is {told[0, k]:g} wherever {cause!r} is at work, so it cannot be told from the strength "
                "(constant covariate)"
            )
        else:
            weight, *_ = np.linalg.lstsq(told[:, kept], told[:, k], rcond=None)
            part = np.abs(weight) * np.abs(told[:, kept]).max(axis=0)
            others = [
                names[own[j]].split(BAR)[3] for j, w in zip(kept, part, strict=True) if w > 1e-8 * part.max()
            ]
            listed = ", ".join(repr("the intercept" if other == "1" else other) for other in others)
            reason = f"{term!r} is a sum of {listed} wherever {cause!r} is at work (collinear covariates)"
        found[own[k]] = (
            f"{name!r} is not identified: {reason}; leave the term out, or use prior=tc.weak_prior()"
        )
    return found


def _clearly_independent(design: Design, met: NDArray[np.bool_], free: list[int]) -> bool:
    """Say whether some rows of a long matrix show already what `_independent` finds in all that are met.

    More rows only add to the products, and no column is longer than if all of its rows were the largest.
    """
    if met.size <= LONG:
        return False
    least, most = (each[free] for each in design.ranges)
    longest = np.sqrt(met.size) * np.maximum(np.abs(least), np.abs(most))
    zeros, some = np.zeros(design.thin.shape[0]), met[::THINNED].astype(np.float64)
    products = integrate(design.thin, zeros, some, 2)[2][np.ix_(free, free)]
    return bool(longest.all() and np.linalg.eigvalsh(products / np.outer(longest, longest)).min() > 1e-9)


def _independent(terms: Floats) -> bool:
    """Say whether columns are clearly independent, from their products: fast, and enough for most models."""
    products = terms.T @ terms
    size = np.sqrt(np.diag(products))
    if not size.all():
        return False
    return bool(np.linalg.eigvalsh(products / np.outer(size, size)).min() > 1e-9)


def thin(program: Program, constraint: Constraint) -> list[str]:
    """Return warnings of transitions with more free parameters than events."""
    warnings = []
    for number, group in enumerate(program.likelihood.groups):
        events = int((program.trace.events[:, EXPLAINED] == number).sum())
        positions = {p for c in group for p in program.likelihood.causes[c].positions}
        free = len({int(constraint.group[p]) for p in positions if constraint.group[p] >= 0})
        if free > events:
            warnings.append(
                f"{program.model.transitions[number].name!r} has {free} parameters for {events} "
                f"event{'s' if events != 1 else ''}: leave terms out, tie parameters (tied=), or use "
                "prior=tc.weak_prior()"
            )
    return warnings


def of_further_events(program: Program) -> list[str]:
    """Return warnings of events into the state already held that no transition of a recurrent variable explains."""
    warnings = []
    events = program.trace.events
    further = (events[:, BEFORE] == events[:, AFTER]) & (events[:, EXPLAINED] < 0)
    for number, variable in enumerate(program.history.variables):
        mine = further & (events[:, VARIABLE] == number)
        for code in np.unique(events[mine, AFTER]).tolist():
            state = variable.states[code]
            moves = [
                move
                for move in program.model.transitions
                if (move.variable, move.to) == (variable.name, state)
            ]
            if not moves:
                continue
            count = int((events[mine, AFTER] == code).sum())
            many = "1 further event" if count == 1 else f"{count:,} further events"
            warnings.append(
                f"{many} of {variable.name!r} into {state!r}, which the unit holds already, "
                f"{'is' if count == 1 else 'are'} explained by no transition: write the origin "
                f"{'|'.join([*moves[0].origin, state])!r}, as tc.Model.of(..., recurrent=True) does"
            )
    return warnings


def of_ages(program: Program) -> list[str]:
    """Return warnings of transitions most of whose time at risk has an age that nobody knows."""
    warnings: list[str] = []
    if not program.opening.since.size:
        return warnings
    program = replace(program, spans=None) if program.spans is not None else program
    for number, group in enumerate(program.likelihood.groups):
        cause = next((c for c in map(program.likelihood.causes.__getitem__, group) if c.design.age), None)
        if cause is None:
            continue
        move, layout = program.model.transitions[number], program.opening
        home = cause.at_home()
        variable, returns = int(layout.transition[number, MOVES]), program.observer.returns
        spells = Spells.of(layout, cause.program.trace, returns, variable, "level")
        unknown = np.isnan(spells.at_stretch(home.unit, home.time))
        share = float(home.span[unknown].sum() / max(home.span.sum(), 1e-300))
        if share > 0.5:
            warnings.append(
                f"{move.name!r}: of {share:.0%} of the time at risk nobody knows since when units have been in their "
                f"state, so that its age is time since observation began: say it in units (a column "
                f"{since(move.variable)}), give earlier events, or leave {AGE} out"
            )
    return warnings


def of_causes(task: Task, found: Found) -> list[str]:
    """Return warnings of causes that never had exposure or ran to zero."""
    program, warnings = task.program, []
    for number in found.gone:
        transition, cause = program.causes[number]
        name = program.cause_name(number)
        if number in task.absent and isinstance(cause, Contagion):
            warnings.append(
                f"{name!r} never had exposure: no source in {cause.when!r} had a tie of layer "
                f"{cause.layer!r} to a "
                f"unit at risk of {transition.name!r}; its strength is put at 0. Check the layer, its "
                f"dates and "
                "when=, or leave the cause out"
            )
            continue
        more = len(program.likelihood.causes[number].positions) > 1
        warnings.append(
            f"{name!r} ran to zero: the data show no trace of this cause"
            + (", and its other parameters are not identified" if more else "")
            + "; its strength has an upper bound only (one-sided, from the profile)"
        )
    if not found.converged:
        warnings.append(
            "the search did not converge, so the estimates are not to be trusted: look for a covariate "
            "of a very "
            "large size, leave terms out, or use prior=tc.weak_prior()"
        )
    return warnings


def of_information(task: Task, found: Found, identified: Identified) -> list[str]:
    """Return warnings of parameters without information, at bounds, or not to be told apart."""
    program, warnings = task.program, []
    names, width = program.parameter_names, half_ranges(task.program)
    for position in identified.bound:
        natural = np.exp(found.vector[position])
        warnings.append(
            f"{names[position]!r} lies at a bound of what is allowed ({natural:.4g}); its interval is "
            f"open there"
        )
    stems = [name.rsplit(BAR, 2)[0] for name in names]
    beside: dict[str, list[int]] = {}
    for position in identified.lost:
        beside.setdefault(stems[position], []).append(position)
    endless: dict[str, list[str]] = {"minus": [], "plus": []}
    for position in identified.lost:
        value = found.vector[position] * width[position]  # of what is scaled
        mates = [names[other] for other in beside[stems[position]] if other != position]
        if names[position].endswith(f"{BAR}1") and mates:
            warnings.append(
                f"{names[position]!r} is known only together with {_listed(mates)}, which is not identified"
            )
        elif abs(value) > 8.0:
            endless["minus" if value < 0 else "plus"].append(names[position])
        else:
            warnings.append(
                f"the data say nothing of {names[position]!r}: leave it out, or use prior=tc.weak_prior()"
            )
    for way, lost in endless.items():
        none = "no" if way == "minus" else "every"
        if lost:
            run = "runs" if len(lost) == 1 else "run"
            warnings.append(
                f"{_listed(lost)} {run} to {way} infinity: {none} event that this cause could explain came "
                "where its term is high (separation); its size is not known, see fit.profile for its bound. "
                "Merge categories, leave the term out, or use prior=tc.weak_prior()"
            )
    return warnings + confusions(program, identified.vcov)


def _listed(names: list[str], most: int = 4) -> str:
    """Return quoted names, the first few where there are many."""
    said = ", ".join(map(repr, names[:most]))
    return said if len(names) <= most else f"{said} and {len(names) - most} more"


def confusions(program: Program, vcov: Floats) -> list[str]:
    """Return warnings of pairs of estimates that the information matrix hardly tells apart.

    Pairs looked at: the same term as propensity and as susceptibility of one transition, and the strengths of
    two causes of one transition (Greve, Strang & Tuma 1995). Estimates correlated by r have standard errors
    1 / sqrt(1 - r^2) times those that they would have if the other were known.
    """
    terms = [name.split(BAR)[3] for name in program.parameter_names]
    error = np.sqrt(np.diag(vcov))
    warnings = []
    for group in program.likelihood.groups:
        places = [{terms[p]: p for p in program.slots[number].target} for number in group]
        for place, first in enumerate(group):
            for after, second in enumerate(group[place + 1 :], place + 1):
                alike = places[place].keys() == places[after].keys()
                both = places[place] if alike else [t for t in places[place] if t in places[after]]
                p, q = ([places[k][term] for term in both] for k in (place, after))
                with np.errstate(invalid="ignore", divide="ignore"):
                    r = vcov[p, q] / (error[p] * error[q])
                for k in np.flatnonzero(np.abs(r) > CONFUSED):
                    warnings.append(_confused(program, first, second, p[k], q[k], float(r[k])))
    return warnings


def _confused(program: Program, first: int, second: int, p: int, q: int, r: float) -> str:
    names = program.parameter_names
    term = names[p].split(BAR)[3]
    times = 1.0 / np.sqrt(max(1.0 - r * r, 1e-12))
    head = f"{names[p]!r} and {names[q]!r} can hardly be told apart (correlation {r:.2f}): "
    home = program.opening.cause[first, LAYER] < 0
    if term == "1":
        what = (
            f"the data tell what {program.slots[first].cause!r} and {program.slots[second].cause!r} do "
            f"together, "
            "and not what each does"
        )
    elif home:
        what = (
            f"the data tell that {term!r} goes with the event, and hardly whether it makes units ready "
            f"by themselves "
            "(propensity) or open to others (susceptibility) (Greve, Strang & Tuma 1995)"
        )
    else:
        what = f"the data hardly tell along which of the two layers {term!r} makes units open to others"
    return (
        f"{head}{what}; each standard error is {times:.1f} times what it would be if the other were "
        f"known. Leave one "
        "out and say so, or tie them (tied=)"
    )
