"""Compile a model against a history: names become arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, ModelError, suggestion
from tocsin.kernels.layout import ENTER, EXIT, PIECE, TIE, TOTAL, Layout
from tocsin.kernels.states import trace_states
from tocsin.model.declaration import Baseline, Contagion
from tocsin.program.design import Design, build_design
from tocsin.program.joint import JointStates
from tocsin.program.names import cause_key, name_parameters, unit_keys
from tocsin.program.program import Observed, Program
from tocsin.program.ties import Breaks, lay_ties, target_totals
from tocsin.words import parse_clause

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history import History
    from tocsin.model import Cause, Model, Transition


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
        if theirs.recurrent and not variable.recurrent and any(
            move.variable == variable.name and move.to in move.origin for move in model.transitions
        ):
            raise ModelError(f"variable {variable.name!r} is recurrent in the history and not in the model")
    for transition in model.transitions:
        for cause in transition.causes:
            if isinstance(cause, Contagion) and cause.layer not in history.layers:
                raise ModelError(
                    f"{transition.name}: the history {history.name!r} has no layer {cause.layer!r}"
                    + suggestion(cause.layer, history.layers)
                )


class _Designs:
    """The distinct designs of a program; causes with one formula share a design."""

    def __init__(self, history: History, joint: JointStates) -> None:
        self.history, self.joint = history, joint
        self.number: dict[tuple[str, bool], int] = {}
        self.built: list[Design] = []

    def get(self, formula: str, intercept: bool) -> int:
        key = (formula, intercept)
        if key not in self.number:
            self.number[key] = len(self.built)
            self.built.append(build_design(formula, self.history, self.joint, intercept=intercept))
        return self.number[key]


def _grouped(groups: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    first = np.zeros(len(groups) + 1, dtype=np.int32)
    first[1:] = np.cumsum([len(group) for group in groups])
    return first, np.array([item for group in groups for item in group], dtype=np.int32)


def _transition_tables(
    model: Model, joint: JointStates
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    variable = np.array([joint.index(move.variable) for move in model.transitions], dtype=np.int32)
    to = np.array(
        [model.by_name[move.variable].code(move.to) for move in model.transitions], dtype=np.int32
    )
    after = np.full((len(model.transitions), joint.count), -1, dtype=np.int32)
    states = np.arange(joint.count)
    for number, move in enumerate(model.transitions):
        ready = joint.holds({move.variable: frozenset(move.origin)})
        if move.requires is not None:
            ready &= joint.holds(parse_clause(move.requires, model.by_name))
        stride = joint.strides[variable[number]]
        moved = states + (to[number] - joint.codes(move.variable)) * stride
        after[number, ready] = moved[ready]
    return variable, to, after


def _entry_states(model: Model, history: History, joint: JointStates) -> NDArray[np.int32]:
    """Return joint states on entry before any event, with the model's own order of states."""
    numbers = history.numbers
    state = np.zeros(len(numbers.units), dtype=np.int64)
    theirs = {variable.name: variable for variable in history.variables}
    for position, variable in enumerate(model.variables):
        code = np.array([variable.code(name) for name in theirs[variable.name].states], dtype=np.int64)
        state += code[numbers.initial[variable.name]] * joint.strides[position]
    return state.astype(np.int32)


def _observed(model: Model, history: History, joint: JointStates, after: NDArray[np.int32]) -> Observed:
    numbers = history.numbers
    theirs = {variable.name: number for number, variable in enumerate(history.variables)}
    position = np.full(len(history.variables), -1, dtype=np.int32)
    code = np.zeros((len(history.variables), max(len(v.states) for v in history.variables)), dtype=np.int32)
    for number, variable in enumerate(model.variables):
        position[theirs[variable.name]] = number
        names = history.variables[theirs[variable.name]].states
        code[theirs[variable.name], : len(names)] = [variable.code(name) for name in names]
    spoken = position[numbers.event_variable] >= 0
    time = numbers.event_time[spoken]
    unit = numbers.event_unit[spoken]
    variable = position[numbers.event_variable[spoken]]
    state = code[numbers.event_variable[spoken], numbers.event_state[spoken]]
    before, later, _ = trace_states(
        _entry_states(model, history, joint), unit, variable, state, joint.strides, joint.sizes
    )
    move = {
        (model.by_name[t.variable].name, model.by_name[t.variable].code(origin), model.by_name[t.variable].code(t.to)): k
        for k, t in enumerate(model.transitions)
        for origin in t.origin
    }
    table = np.full((len(joint.names), int(joint.sizes.max()), int(joint.sizes.max())), -1, dtype=np.int32)
    for (name, origin, to), number in move.items():
        table[joint.index(name), origin, to] = number
    left = (before // joint.strides[variable]) % joint.sizes[variable]
    transition = table[variable, left, state]
    early = time <= numbers.enter[unit]
    transition = np.where(early, -1, transition).astype(np.int32)
    barred = (transition >= 0) & (after[transition, before] < 0)
    if barred.any():
        event = int(np.flatnonzero(barred)[0])
        raise FitError(
            f"{describe_event(history, numbers.units[unit[event]], time[event])}: the transition "
            f"{model.transitions[transition[event]].name!r} happened while its condition "
            f"{model.transitions[transition[event]].requires!r} did not hold; "
            "no cause of the model can explain it: correct the record, or drop requires="
        )
    return Observed(time, unit, variable, state, before, later, transition, early)


def describe_event(history: History, unit: str, time: float) -> str:
    """Return 'the event of UNIT on DATE' for messages."""
    when = history.to_date(float(time)) if history.dated else f"{time:g}"
    return f"the event of {unit!r} at {when}"


def _early_entries(
    causes: Sequence[tuple[int, Cause]],
    observed: Observed,
    counts: NDArray[np.uint8],
    clause: NDArray[np.uint8],
    source_design: NDArray[np.int32],
    designs: Sequence[Design],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], NDArray[np.int32]]:
    """Return entries at or before the units' own entry, which half-life memory still carries."""
    events = np.flatnonzero(observed.early)
    cause_of, unit_of, time_of, row_of = [], [], [], []
    for number, (_, cause) in enumerate(causes):
        if isinstance(cause, Baseline) or cause.half_life is None:
            continue
        old, new = observed.before[events], observed.after[events]
        again = (old == new) & (clause[number, observed.variable[events]] > 0)
        entered = (counts[number, new] > 0) & ((counts[number, old] == 0) | again)
        chosen = events[entered]
        row = np.zeros(chosen.size, dtype=np.int32)
        if source_design[number] >= 0:
            design = designs[source_design[number]]
            piece = design.first[observed.unit[chosen]]
            row = design.rows[piece, design.columns[observed.after[chosen]]]
        cause_of.append(np.full(chosen.size, number, dtype=np.int32))
        unit_of.append(observed.unit[chosen])
        time_of.append(observed.time[chosen])
        row_of.append(row)
    if not cause_of:
        empty = np.empty(0, dtype=np.int32)
        return empty, empty, np.empty(0), empty
    return (
        np.concatenate(cause_of),
        np.concatenate(unit_of).astype(np.int32),
        np.concatenate(time_of).astype(np.float64),
        np.concatenate(row_of).astype(np.int32),
    )


def _piece_breaks(designs: Sequence[Design], base: NDArray[np.int64]) -> list[Breaks]:
    parts = []
    for number, design in enumerate(designs):
        later = np.ones(design.starts.size, dtype=bool)
        later[design.first[:-1]] = False
        piece = np.flatnonzero(later)
        unit = np.repeat(np.arange(design.first.size - 1), np.diff(design.first))[piece]
        offset = base[number] + piece * design.rows.shape[1]
        parts.append(Breaks.make(PIECE, design.starts[piece], number, unit, offset))
    return parts


def compile_program(model: Model, history: History) -> Program:
    """Join a model with a history into a program.

    Raises:
        ModelError: the model speaks of something that the history does not have.
        FitError: an observed event that no cause of the model can explain.
    """
    _check_words(model, history)
    numbers = history.numbers
    if history.clock in ("month", "year"):
        raise FitError(
            f"the times of {history.name!r} are known by {history.clock} only; models of such histories need "
            "the grouped-time likelihood, which this version does not have yet"
        )
    joint = JointStates(model.variables)
    variable, to, after = _transition_tables(model, joint)
    causes: list[tuple[int, Cause]] = [
        (number, cause) for number, move in enumerate(model.transitions) for cause in move.causes
    ]
    count, names = len(causes), joint.names
    observed = _observed(model, history, joint, after)

    layers = tuple(dict.fromkeys(cause.layer for _, cause in causes if isinstance(cause, Contagion)))
    designs = _Designs(history, joint)
    target_design = np.zeros(count, dtype=np.int32)
    source_design = np.full(count, -1, dtype=np.int32)
    layer = np.full(count, -1, dtype=np.int32)
    total = np.full(count, -1, dtype=np.int32)
    counts = np.zeros((count, joint.count), dtype=np.uint8)
    clause = np.zeros((count, len(names)), dtype=np.uint8)
    decays = np.zeros(count, dtype=np.uint8)
    normalised = tuple(
        dict.fromkeys(c.layer for _, c in causes if isinstance(c, Contagion) and c.normalise is not None)
    )
    target_listens: list[list[int]] = [[] for _ in names]
    source_listens: list[list[int]] = [[] for _ in names]
    for number, (move_number, cause) in enumerate(causes):
        move = model.transitions[move_number]
        heard = {move.variable}
        if move.requires is not None:
            heard |= set(parse_clause(move.requires, model.by_name))
        if isinstance(cause, Baseline):
            target_design[number] = designs.get(cause.formula, True)
        else:
            target_design[number] = designs.get(cause.susceptibility, True)
            when = parse_clause(cause.when, model.by_name)
            spoken = set(when)
            layer[number] = layers.index(cause.layer)
            counts[number] = joint.holds(when)
            clause[number, [joint.index(name) for name in when]] = 1
            decays[number] = cause.half_life is not None
            if cause.normalise is not None:
                total[number] = normalised.index(cause.layer)
            if cause.infectiousness is not None:
                source_design[number] = designs.get(cause.infectiousness, False)
                if cause.half_life is None:
                    spoken |= set(designs.built[source_design[number]].uses)
            for position, name in enumerate(names):
                if name in spoken:
                    source_listens[position].append(number)
        heard |= set(designs.built[target_design[number]].uses)
        for position, name in enumerate(names):
            if name in heard:
                target_listens[position].append(number)

    parameter_names, slots = name_parameters(
        [
            (
                model.transitions[number],
                cause,
                designs.built[target_design[position]].terms,
                designs.built[source_design[position]].terms if source_design[position] >= 0 else (),
            )
            for position, (number, cause) in enumerate(causes)
        ]
    )
    flat_rows = [design.rows.ravel() for design in designs.built]
    base = np.concatenate([[0], np.cumsum([rows.size for rows in flat_rows])])[:-1].astype(np.int64)
    offset = np.array(
        [first + design.first[:-1] * design.rows.shape[1] for first, design in zip(base, designs.built, strict=True)],
        dtype=np.int64,
    )
    by_design = [
        [(number, 0) for number in range(count) if target_design[number] == wanted]
        + [(number, 1) for number in range(count) if source_design[number] == wanted]
        for wanted in range(len(designs.built))
    ]
    early = _early_entries(causes, observed, counts, clause, source_design, designs.built)

    ties = lay_ties(numbers, layers)
    parts = _piece_breaks(designs.built, base)
    parts.append(
        Breaks.make(
            TIE,
            ties.change_time,
            ties.source[ties.change_tie],
            ties.out_target[ties.change_tie],
            ties.change_tie,
            ties.change_weight,
        )
    )
    unit_numbers = np.arange(len(numbers.units))
    late = numbers.enter > numbers.start
    parts.append(Breaks.make(ENTER, numbers.enter[late], unit_numbers[late]))
    parts.append(Breaks.make(EXIT, numbers.exit, unit_numbers))
    totals = np.zeros((len(normalised), len(numbers.units)))
    for number, name in enumerate(normalised):
        if name in numbers.ties:
            totals[number], time, unit, value = target_totals(numbers.ties[name], numbers)
            parts.append(Breaks.make(TOTAL, time, number, unit, 0, value))
    breaks = Breaks.join(parts, numbers.start, numbers.end)

    state = _entry_states(model, history, joint)
    entered = np.flatnonzero(observed.early)
    state[observed.unit[entered]] = observed.after[entered]  # in order, so the last one stands
    target_first, target_causes = _grouped(target_listens)
    source_first, source_causes = _grouped(source_listens)
    layer_first, layer_causes = _grouped([[c for c in range(count) if layer[c] == x] for x in range(len(layers))])
    total_first, total_causes = _grouped([[c for c in range(count) if total[c] == x] for x in range(len(normalised))])
    design_first, design_causes = _grouped([[c for c, _ in group] for group in by_design])
    layout = Layout(
        start=float(numbers.start),
        end=float(numbers.end),
        state=state,
        enter=numbers.enter.astype(np.float64),
        exit=numbers.exit.astype(np.float64),
        unit_key=unit_keys(numbers.units),
        stride=joint.strides,
        size=joint.sizes,
        variable=variable,
        to=to,
        after=after,
        allowed=np.ones((len(model.transitions), len(numbers.units)), dtype=np.uint8),
        transition=np.array([number for number, _ in causes], dtype=np.int32),
        layer=layer,
        target_design=target_design,
        source_design=source_design,
        counts=counts,
        clause=clause,
        decays=decays,
        total=total,
        cause_key=np.array([cause_key(s.transition, s.cause) for s in slots], dtype=np.uint64),
        target_first=target_first,
        target_causes=target_causes,
        source_first=source_first,
        source_causes=source_causes,
        layer_first=layer_first,
        layer_causes=layer_causes,
        total_first=total_first,
        total_causes=total_causes,
        design_first=design_first,
        design_causes=design_causes,
        design_role=np.array([role for group in by_design for _, role in group], dtype=np.uint8),
        rows=np.concatenate(flat_rows).astype(np.int32),
        offset=offset,
        columns=np.array([design.columns for design in designs.built], dtype=np.int32),
        out_first=ties.out_first,
        out_target=ties.out_target,
        weight=ties.weight,
        in_first=ties.in_first,
        in_source=ties.in_source,
        in_tie=ties.in_tie,
        totals=totals,
        early_cause=early[0],
        early_unit=early[1],
        early_time=early[2],
        early_row=early[3],
        break_time=breaks.time,
        break_kind=breaks.kind,
        break_a=breaks.a,
        break_b=breaks.b,
        break_c=breaks.c,
        break_x=breaks.x,
    )
    return Program(
        model=model,
        history=history,
        joint=joint,
        layers=layers,
        causes=tuple((model.transitions[number], cause) for number, cause in causes),
        slots=tuple(slots),
        parameter_names=parameter_names,
        designs=tuple(designs.built),
        layout=layout,
        observed=observed,
    )
