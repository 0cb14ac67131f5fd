"""Compile a model against a history: names become arrays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, suggestion
from tocsin.kernels.layout import (
    AGE,
    DECAYS,
    ENTER,
    EXIT,
    FIRST_CUT,
    FROM_ENTRY,
    LAYER,
    LEAD,
    LEVEL_ROWS,
    LEVELS,
    LOG,
    NO_AGE,
    OUT_TARGET,
    PIECES,
    PLAIN,
    RETURN,
    ROW,
    SOURCE,
    SPAN,
    TARGET,
    TIE,
    TOTAL,
    TOTAL_OF,
    TRANSITION,
    Layout,
)
from tocsin.model.declaration import BAR, Baseline, Contagion, specials_of
from tocsin.model.learned import Learned, Role
from tocsin.model.special_terms import UNKNOWN, age_of
from tocsin.program.ages import since_entry
from tocsin.program.design import Damping, Design, build_design, damped
from tocsin.program.grouped import is_grouped, refuse_two
from tocsin.program.inner_exposure import Exposures, check_exposure, exposures_of
from tocsin.program.joint_states import JointStates, Observer
from tocsin.program.levels import by_level, levels_of, part_of, ties_by_level
from tocsin.program.parameters import cause_key, name_parameters, role_names, unit_keys
from tocsin.program.program import Observed, Program
from tocsin.program.ties import Breaks, Changes, TieLayout, lay_dense, lay_ties, target_totals
from tocsin.states import parse_clause
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import Numbers
    from tocsin.history.history import History
    from tocsin.model.declaration import Cause, Transition
    from tocsin.model.model import Model
    from tocsin.model.special_terms import Special

    Floats = NDArray[np.float64]


def _check_words(model: Model, history: History) -> None:
    declared = {variable.name: variable for variable in history.variables}
    for variable in model.variables:
        if variable.name not in declared:
            raise ModelError(
                f"the history {history.name!r} has no variable {variable.name!r}"
                + suggestion(variable.name, declared)
            )
        theirs = declared[variable.name]
        for state in theirs.states:
            if state not in variable.states:
                raise ModelError(
                    f"the history has a state {state!r} of {variable.name!r} that the model does not declare"
                    + suggestion(state, variable.states)
                )
        if (
            theirs.recurrent
            and not variable.recurrent
            and any(move.variable == variable.name and move.to in move.origin for move in model.transitions)
        ):
            raise ModelError(f"variable {variable.name!r} is recurrent in the history and not in the model")
    for transition in model.transitions:
        for cause in transition.causes:
            if isinstance(cause, Contagion) and cause.layer not in history.layers:
                raise ModelError(
                    f"{transition.name}: the history {history.name!r} has no layer {cause.layer!r}"
                    + suggestion(cause.layer, history.layers)
                )
            for exposure in exposures_of(specials_of(cause)):
                check_exposure(exposure, history, model, f"{transition.name} | {cause.name}")


AWAY = 30.0  # half ranges from zero, beyond which exponentials are counted from elsewhere


class _Designs:
    """The distinct designs of a program; causes with one formula share a design.

    Designs of an earlier program of the same model are kept where all that they read is as it was.
    """

    def __init__(
        self,
        history: History,
        joint: JointStates,
        observed: Observed,
        earlier: Program | None,
        learned: Learned | None,
        who: NDArray[np.int64] | None,
    ) -> None:
        self.history, self.joint, self.earlier, self.learned = history, joint, earlier, learned
        self.who = who
        self.early = (observed.unit[observed.early].astype(np.int64), observed.time[observed.early])
        self.number: dict[tuple[str, bool], int] = {}
        self.built: list[Design] = []

    def get(
        self,
        formula: str,
        intercept: bool,
        role: str,
        cause: Contagion | None = None,
        unknown: bool = False,
    ) -> int:
        """Return the number of the design of a formula, made when it is first asked for.

        Parameters:
            cause: one with `by=`, whose levels have intercepts of their own.
            unknown: whether the age that it names may be unknown.
        """
        split = "" if cause is None else f" by {cause.by} {'mass' in cause.shared}"
        key = (formula + split + (f" | {UNKNOWN}" if unknown else ""), intercept)
        if key not in self.number:
            self.number[key] = len(self.built)
            early = None if intercept else self.early
            number = None if self.earlier is None else self.earlier.design_of.get(key)
            if self.who is not None and self.earlier is not None and number is not None:
                self.built.append(self.earlier.designs[number].taken(self.who))
            elif self.earlier is not None and number is not None and self.same(self.earlier, number):
                self.built.append(self.earlier.designs[number])
            else:
                learnt = None if self.learned is None else self.learned.get(role)
                made = build_design(
                    formula,
                    self.history,
                    self.joint,
                    intercept=intercept,
                    early=early,
                    learnt=learnt,
                    unknown=unknown,
                )
                if cause is not None:
                    made = by_level(made, cause, levels_of(cause, self.history, learnt), self.history)
                if self.learned is not None and learnt is None and made.learnt.learns:
                    raise ModelError(
                        f"what was learnt says nothing of {role!r}, whose formula {formula!r} needs it: "
                        "hand over the `learned` of a fit of this model"
                    )
                self.built.append(made)
        return self.number[key]

    def same(self, earlier: Program, number: int) -> bool:
        """Return whether a design of an earlier program would come out the same."""
        old, new = earlier.history, self.history
        return (
            old.numbers.enter is new.numbers.enter
            and old.numbers.exit is new.numbers.exit
            and all(
                old.numbers.covariates.get(name) is new.numbers.covariates.get(name)
                and old.numbers.static.get(name) is new.numbers.static.get(name)
                and old.outside.get(name) == new.outside.get(name)
                for name in earlier.designs[number].uses
            )
        )

    def damp(self, table: NDArray[np.int32], dampings: Sequence[Damping]) -> None:
        """Give causes whose hazards are damped designs of their own; causes damped alike share one."""
        made: dict[tuple[int, tuple[Damping, ...]], int] = {}
        for cause in dict.fromkeys(each.cause for each in dampings):
            own = tuple(each._replace(cause=-1) for each in dampings if each.cause == cause)
            key = (int(table[cause, TARGET]), own)
            if key not in made:
                made[key] = len(self.built)
                self.built.append(damped(self.built[key[0]], self.history.numbers, own))
            table[cause, TARGET] = made[key]


def _listeners(groups: Sequence[Sequence[Sequence[int]]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Lay out who listens to what: for each kind of thing, and each thing of it, the causes that listen."""
    first = np.zeros((len(groups), max(len(kind) for kind in groups) + 1), dtype=np.int32)
    flat: list[int] = []
    for number, kind in enumerate(groups):
        first[number] = len(flat)
        for thing, causes in enumerate(kind):
            flat += causes
            first[number, thing + 1 :] = len(flat)
    return first, np.array(flat, dtype=np.int32)


def _transition_tables(model: Model, joint: JointStates) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return variable and state entered of each transition (K, 2), and joint states after it (K, J)."""
    variable = np.array([joint.index(move.variable) for move in model.transitions], dtype=np.int32)
    to = np.array([model.by_name[move.variable].code(move.to) for move in model.transitions], dtype=np.int32)
    after = np.full((len(model.transitions), joint.count), -1, dtype=np.int32)
    states = np.arange(joint.count)
    for number, move in enumerate(model.transitions):
        ready = joint.holds({move.variable: frozenset(move.origin)})
        if move.requires is not None:
            ready &= joint.holds(parse_clause(move.requires, model.by_name))
        stride = joint.strides[variable[number]]
        moved = states + (to[number] - joint.codes(move.variable)) * stride
        after[number, ready] = moved[ready]
    return np.stack([variable, to], axis=1), after


def _matters(
    model: Model, joint: JointStates, after: NDArray[np.int32], restated: Collection[int]
) -> NDArray[np.uint8]:
    """Return whether a unit in each joint state may ever come to be at risk of each transition (K, J).

    A variable with declared transitions moves by them; one without may be led, or forced, anywhere, and so may one in
    whose states units return (`restated`, positions).
    """
    moving = {move.variable for move in model.transitions}
    reach = np.eye(joint.count, dtype=bool)
    for number in range(len(model.transitions)):
        states = np.flatnonzero(after[number] >= 0)
        reach[states, after[number, states]] = True
    for name in joint.names:
        position = joint.index(name)
        if name not in moving or position in restated:
            rest = np.arange(joint.count) - joint.codes(name) * joint.strides[position]
            reach |= rest[:, None] == rest[None, :]
    for middle in range(joint.count):  # Warshall (1962)
        reach |= reach[:, middle][:, None] & reach[middle][None, :]
    return np.array([(reach & (row >= 0)[None, :]).any(axis=1) for row in after], dtype=np.uint8)


@dataclass
class _Causes:
    """The causes of a model as arrays, their designs, and who listens to what."""

    listed: list[tuple[int, Cause]]
    layers: tuple[str, ...]
    normalised: tuple[str, ...]
    designs: list[Design]
    design_of: dict[tuple[str, bool], int]
    table: NDArray[np.int32]
    counts: NDArray[np.uint8]
    clause: NDArray[np.uint8]
    listen: tuple[NDArray[np.int32], NDArray[np.int32]]
    learned: Learned
    levels: list[tuple[str, ...]]  # of each declared cause
    numbers: Numbers  # with the parts of layers that lead to units of one level
    exposures: Exposures
    cuts: list[float]


def _age_seen(move: Transition, cause: Cause, history: History) -> Special | None:
    """Return the age that a cause sees, None for none.

    Raises:
        ModelError: the age is a number where something else changes between events, or time is grouped.
    """
    age = age_of(cause.formula if isinstance(cause, Baseline) else cause.susceptibility)
    if age is None or age.form == "pieces":
        return age
    what = f"{move.name}{BAR}{cause.name}: {age.name}"
    cure = f"write pieces({age.inside}, 7, 30) with ages that suit"
    if is_grouped(history):
        raise ModelError(f"{what} changes within a {noun(history.clock)}, of which nothing is known: {cure}")
    if isinstance(cause, Contagion) and cause.half_life is not None:
        raise ModelError(
            f"{what} has no closed form where the exposure fades, as it does under half_life: {cure}"
        )
    return age


def _held_unknown(joint: JointStates, move: Transition, state: NDArray[np.int32], since: Floats) -> bool:
    """Return whether a unit enters in a state that a transition leaves, and nobody knows since when.

    Parameters:
        state: joint states on entry (N,); since: when these began (2, V, N).
    """
    held = joint.holds({move.variable: frozenset(move.origin)})[state]
    return bool((held & np.isnan(since[0, joint.index(move.variable)])).any())


def _lay_causes(
    model: Model,
    history: History,
    joint: JointStates,
    observed: Observed,
    earlier: Program | None,
    dampings: Sequence[Damping],
    learned: Learned | None,
    who: NDArray[np.int64] | None,
    opening: tuple[NDArray[np.int32], Floats],
) -> _Causes:
    declared = [(number, cause) for number, move in enumerate(model.transitions) for cause in move.causes]
    levels = [_levels(model, history, learned, *each) for each in declared]
    numbers = history.numbers
    listed: list[tuple[int, Cause]] = []
    felt: list[str] = []  # the layer, or part of one, that each listens to
    for (number, cause), own in zip(declared, levels, strict=True):
        listed += [(number, cause)] * max(len(own), 1)
        if isinstance(cause, Contagion):
            felt += [part_of(cause, level) for level in own] or [cause.layer]
            parts = ties_by_level(numbers, history, cause, own) if own else {}
            numbers = replace(numbers, ties={**numbers.ties, **parts}) if parts else numbers
        else:
            felt.append("")
    inside = exposures_of([special for _, cause in listed for special in specials_of(cause)])
    abroad: list[tuple[str, str | None]] = [
        (cause.layer, cause.normalise) for _, cause in listed if isinstance(cause, Contagion)
    ]
    abroad += [(each.layer, each.normalise) for each in inside]
    layers = tuple(dict.fromkeys([*filter(None, felt), *(each.layer for each in inside)]))
    normalised = tuple(dict.fromkeys(layer for layer, rule in abroad if rule is not None))
    designs = _Designs(history, joint, observed, earlier, learned, who)
    roles: dict[str, Role] = {}
    table = np.full((len(listed), LEVEL_ROWS + 1), -1, dtype=np.int32)
    table[:, [DECAYS, AGE, FIRST_CUT, LEVELS, LEVEL_ROWS]] = 0
    cuts: list[float] = []
    counts = np.zeros((len(listed), joint.count), dtype=np.uint8)
    clause = np.zeros((len(listed), len(joint.names)), dtype=np.uint8)
    target_hears: list[set[str]] = []
    source_hears: list[set[str]] = []
    for number, (move_number, cause) in enumerate(listed):
        move = model.transitions[move_number]
        heard, spoken = {move.variable}, set()
        if move.requires is not None:
            heard |= set(parse_clause(move.requires, model.by_name))
        formula = cause.formula if isinstance(cause, Baseline) else cause.susceptibility
        target_role, source_role = role_names(move, cause)
        age = _age_seen(move, cause, history)
        unknown = age is not None and age.unknown == "level" and _held_unknown(joint, move, *opening)
        by = cause if isinstance(cause, Contagion) and cause.by is not None else None
        design = designs.get(formula, True, target_role, by, unknown)
        table[number, [TRANSITION, TARGET]] = move_number, design
        if age is not None:
            from_entry = FROM_ENTRY if age.unknown == "entry" else 0
            table[number, AGE] = {"pieces": PIECES, "log": LOG, "plain": PLAIN}[age.form] + from_entry
            table[number, [FIRST_CUT, LEVELS]] = len(cuts), len(age.cuts)
            table[number, LEVEL_ROWS] = designs.built[table[number, TARGET]].base
            cuts += [float(np.floor(cut)) for cut in age.cuts] if is_grouped(history) else age.cuts
        roles[target_role] = designs.built[table[number, TARGET]].learnt
        if isinstance(cause, Contagion):
            when = parse_clause(cause.when, model.by_name)
            spoken = set(when)
            counts[number] = joint.holds(when)
            clause[number, [joint.index(name) for name in when]] = 1
            table[number, [LAYER, DECAYS]] = layers.index(felt[number]), cause.half_life is not None
            if cause.normalise is not None:
                table[number, TOTAL_OF] = normalised.index(cause.layer)
            if cause.infectiousness is not None:
                table[number, SOURCE] = designs.get(cause.infectiousness, False, source_role)
                roles[source_role] = designs.built[table[number, SOURCE]].learnt
                if cause.half_life is None:  # the mark of an entry stays as it was
                    spoken |= set(designs.built[table[number, SOURCE]].uses)
        target_hears.append(heard | set(designs.built[table[number, TARGET]].uses))
        source_hears.append(spoken)
    marks = [-1 if x.mark is None else designs.get(f"`{x.mark}`", False, x.inside) for x in inside]
    designs.damp(table, dampings)

    def having(column: int, size: int) -> list[list[int]]:
        return [[int(c) for c in np.flatnonzero(table[:, column] == thing)] for thing in range(size)]

    everyone = range(len(listed))
    listen = _listeners(
        [
            [[c for c in everyone if name in target_hears[c]] for name in joint.names],
            [[c for c in everyone if name in source_hears[c]] for name in joint.names],
            having(LAYER, len(layers)),
            having(TOTAL_OF, len(normalised)),
            having(TARGET, len(designs.built)),
            having(SOURCE, len(designs.built)),
        ]
    )
    roles |= {role: learned[role] for role in roles if learned is not None and role in learned}
    return _Causes(
        listed,
        layers,
        normalised,
        designs.built,
        designs.number,
        table,
        counts,
        clause,
        listen,
        Learned(roles),
        levels,
        numbers,
        Exposures(inside, tuple(marks)),
        cuts,
    )


def _levels(
    model: Model, history: History, learned: Learned | None, number: int, cause: Cause
) -> tuple[str, ...]:
    """Return the levels of a cause with `by=`, none for others."""
    if not isinstance(cause, Contagion) or cause.by is None:
        return ()
    role = role_names(model.transitions[number], cause)[0]
    return levels_of(cause, history, None if learned is None else learned.get(role))


def entering(
    counts: NDArray[np.uint8],
    clause: NDArray[np.uint8],
    before: NDArray[np.int32],
    after: NDArray[np.int32],
    variable: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Return which events are entries that a cause remembers: into what it hears, or into a state of it anew.

    Parameters:
        counts, clause: in which joint states the cause hears a source (J,), and of which variables (V,).
        before, after, variable: joint states around each event, and the variable that moved (events,).
    """
    again = (before == after) & (clause[variable] > 0)
    return np.asarray((counts[after] > 0) & ((counts[before] == 0) | again))


def _early_entries(causes: _Causes, observed: Observed) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Return entries at or before the units' own entry, which half-life memory still carries.

    Returns:
        Cause, unit and source row (entries, 3), and times (entries,).
    """
    events = np.flatnonzero(observed.early)
    found, times = [np.empty((0, 3), dtype=np.int32)], [np.empty(0)]
    for number in np.flatnonzero(causes.table[:, DECAYS]):
        old, new = observed.before[events], observed.after[events]
        variable = observed.variable[events]
        entered = np.flatnonzero(entering(causes.counts[number], causes.clause[number], old, new, variable))
        chosen = events[entered]
        row = np.zeros(chosen.size, dtype=np.int32)
        if causes.table[number, SOURCE] >= 0:
            design = causes.designs[causes.table[number, SOURCE]]
            row = design.early[entered, design.columns[observed.after[chosen]]]
        found.append(
            np.stack([np.full(chosen.size, number), observed.unit[chosen], row], axis=1).astype(np.int32)
        )
        times.append(observed.time[chosen].astype(np.float64))
    return np.concatenate(found), np.concatenate(times)


def _origin(designs: Sequence[Design], number: int) -> NDArray[np.float64] | None:
    """Return the middle of a source design's terms that lie far from zero, 0 for the others; None where none do."""
    if number < 0:
        return None
    least, most = designs[number].ranges
    middle = (least + most) / 2
    far = np.isfinite(middle) & (np.abs(middle) > AWAY * np.maximum((most - least) / 2, 1.0))
    return np.where(far, middle, 0.0) if far.any() else None


def _same_row(design: Design) -> int:
    """Return the row of a design that has but one everywhere, else -1."""
    return 0 if design.matrix.shape[0] == 1 and not (design.rows < 0).any() else -1


def lay_designs(designs: Sequence[Design]) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """Return the arrays of a layout that hold designs, by name, and where the rows of each begin."""
    base = np.concatenate([[0], np.cumsum([design.rows.size for design in designs])])[:-1].astype(np.int64)
    offset = [
        first + design.first[:-1] * design.rows.shape[1] for first, design in zip(base, designs, strict=True)
    ]
    return {
        "rows": np.concatenate([design.rows.ravel() for design in designs]),
        "offset": np.array(offset, dtype=np.int64),
        "columns": np.array([design.columns for design in designs], dtype=np.int32),
        "same": np.array([_same_row(design) for design in designs], dtype=np.int32),
    }, base


def _lay_changes(
    causes: _Causes, observer: Observer, numbers: Numbers, ties: TieLayout, base: NDArray[np.int64]
) -> tuple[Changes, NDArray[np.float64]]:
    """Return every change at a known time inside the window, and the totals when it begins."""
    tie = ties.change_tie
    parts = [
        Breaks.make(
            TIE, ties.change_time, ties.source[tie], ties.tie[OUT_TARGET, tie], tie, ties.change_weight
        )
    ]
    units = np.arange(len(numbers.units))
    late = numbers.enter > numbers.start
    parts.append(Breaks.make(ENTER, numbers.enter[late], units[late]))
    parts.append(Breaks.make(EXIT, numbers.exit, units))
    away = numbers.absences
    back = away.end < numbers.exit[away.unit]  # an intervention may have ended all before
    parts.append(Breaks.make(EXIT, away.start, away.unit))
    parts.append(Breaks.make(ENTER, away.end[back], away.unit[back]))
    unit, variable, state, time = observer.returns
    late = time > numbers.enter[unit]
    parts.append(Breaks.make(RETURN, time[late], unit[late], variable[late], state[late]))
    totals = np.zeros((len(causes.normalised), len(numbers.units)))
    for number, name in enumerate(causes.normalised):
        if name in numbers.ties:
            totals[number], time, unit, value = target_totals(numbers.ties[name], numbers)
            parts.append(Breaks.make(TOTAL, time, number, unit, 0, value))
    return Changes(causes.designs, base, parts, numbers.start, numbers.end), totals


def compile_program(model: Model, history: History, learned: Learned | None = None) -> Program:
    """Join a model with a history into a program.

    Parameters:
        learned: what the formulas learnt from the history that was fitted, where this is another one.

    Raises:
        ModelError: the model speaks of something that the history does not have, or the history has a level
            that was never seen.
        FitError: an observed event that no cause of the model can explain.
    """
    try:
        _check_words(model, history)
        if history.numbers.spans is None:
            program = join(model, history, learned=learned)
        else:
            from tocsin.program.spans.open_times import compile_open

            program = compile_open(model, history, join(model, history, learned=learned, barred=True))
        if is_grouped(history):
            refuse_two(program)
    except ModelError as error:
        if not model.where:
            raise
        raise type(error)(f"{model.where}: {error}") from None
    return program


def _send_together(table: NDArray[np.int32], counts: NDArray[np.uint8]) -> None:
    """Find causes in neighbouring rows whose sources send one thing, so that one pass serves them all."""
    table[:, LEAD], table[:, SPAN] = np.arange(len(table)), 1
    for c in range(1, len(table)):
        one, next_one = table[c - 1], table[c]
        if one[ROW] < 0 or next_one[ROW] != one[ROW] + 1 or max(one[SOURCE], next_one[SOURCE]) >= 0:
            continue
        if (counts[c - 1] == counts[c]).all():
            next_one[LEAD] = one[LEAD]
            table[one[LEAD], SPAN] += 1


def join(
    model: Model,
    history: History,
    earlier: Program | None = None,
    dampings: Sequence[Damping] = (),
    learned: Learned | None = None,
    who: NDArray[np.int64] | None = None,
    barred: bool = False,
) -> Program:
    """Join a model with a history; see `compile_program`.

    Parameters:
        earlier: a program of the same model, whose designs are kept where nothing that they read has changed.
        dampings: hazards that are multiplied for some units over some time.
        learned: what formulas learnt; by default what they did in the earlier program.
        who: where the units are those of `earlier` and copies of them, which each is: designs are copied likewise.
        barred: whether a transition may have happened while its condition did not hold.
    """
    if learned is None and earlier is not None:
        learned = earlier.learned
    numbers = history.numbers
    joint = JointStates(model.variables)
    transition, after = _transition_tables(model, joint)
    observer = Observer(model, history, joint, after)
    observed = observer.look()[0] if barred else observer()
    state = observer.on_entry()
    since = since_entry(history, joint.names, observed, observer.returns)
    causes = _lay_causes(model, history, joint, observed, earlier, dampings, learned, who, (state, since))
    designs, table = causes.designs, causes.table
    first = np.cumsum([0, *(max(len(own), 1) for own in causes.levels)])[:-1]  # of the levels of each cause
    parameter_names, slots = name_parameters(
        [
            (
                model.transitions[causes.listed[position][0]],
                causes.listed[position][1],
                designs[table[position, TARGET]].terms,
                designs[table[position, SOURCE]].terms if table[position, SOURCE] >= 0 else (),
                levels,
            )
            for position, levels in zip(first, causes.levels, strict=True)
        ]
    )
    laid, base = lay_designs(designs)
    ties = lay_ties(causes.numbers, causes.layers)
    # What is changed keeps the form of its clocks, so that times elsewhere stay the same to the last bit.
    chosen = None if earlier is None else earlier.opening.dense_of >= 0
    dense_of, dense = lay_dense(ties, len(numbers.units), chosen)
    for number, (_, cause) in enumerate(causes.listed):
        # A row is moved as one; a factor that follows an exposure changes target by target.
        plain = isinstance(cause, Contagion) and cause.half_life is None and cause.response is None
        if plain and not designs[table[number, TARGET]].specials and table[number, AGE] == NO_AGE:
            table[number, ROW] = dense_of[table[number, LAYER]]
    _send_together(table, causes.counts)
    changes, totals = _lay_changes(causes, observer, numbers, ties, base)
    early, early_time = _early_entries(causes, observed)
    layout = Layout(
        window=np.array([numbers.start, numbers.end], dtype=np.float64),
        state=state,
        presence=np.array([numbers.enter, numbers.exit], dtype=np.float64),
        unit_key=unit_keys(numbers.units),
        variable=np.stack([joint.strides, joint.sizes], axis=1),
        held=np.stack([joint.codes(name) for name in joint.names]).astype(np.int32),
        transition=transition,
        after=after,
        matters=_matters(model, joint, after, set(observer.returns[1].tolist())),
        allowed=np.ones((0, 0), dtype=np.uint8),
        cause=table,
        cause_key=np.array([cause_key(s.transition, s.plain) for s in slots], dtype=np.uint64),
        counts=causes.counts,
        clause=causes.clause,
        listen_first=causes.listen[0],
        listen=causes.listen[1],
        **laid,
        tie_first=ties.first,
        tie=ties.tie,
        weight=ties.weight,
        dense_of=dense_of,
        dense=dense,
        totals=totals,
        age_cuts=np.array(causes.cuts, dtype=np.float64),
        since=since if (table[:, AGE] != NO_AGE).any() else np.empty((2, 0, 0)),
        early=early,
        early_time=early_time,
        break_at=np.empty((2, 0)),
        breaks=np.empty((0, 4), dtype=np.int64),
        **causes.exposures.arrays(
            joint, causes.layers, causes.normalised, designs, table[:, TARGET].tolist()
        )._asdict(),
    )
    return Program(
        model=model,
        history=history,
        joint=joint,
        layers=causes.layers,
        causes=tuple((model.transitions[number], cause) for number, cause in causes.listed),
        slots=tuple(slots),
        parameter_names=parameter_names,
        designs=tuple(designs),
        design_of=causes.design_of,
        learned=causes.learned,
        opening=layout,
        changes=changes,
        observed=observed,
        exposures=causes.exposures,
        origin=tuple(_origin(designs, row[SOURCE]) for row in table) if earlier is None else earlier.origin,
        scaling=None if earlier is None else earlier.scaling,
    )
