"""Simulate many worlds of a program: batches of worlds over a pool of threads, kept as one Arrow table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import Followed, Frame
from tocsin.errors import FitError, ModelError
from tocsin.kernels.simulate import DONE, ENDLESS, FORCED
from tocsin.kernels.simulate import simulate as simulate_kernel
from tocsin.program.interventions import intervene

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.interventions import Intervention
    from tocsin.program.program import Program

MOST_EVENTS = 1_000_000  # of one world, or a hundred a unit where that is more
BATCH_EVENTS = 200_000


def threads() -> int:
    """Return how many threads to use: NUMBA_NUM_THREADS, or the number of processors."""
    text = os.environ.get("NUMBA_NUM_THREADS", "")
    try:
        return max(1, int(text)) if text else max(1, os.cpu_count() or 1)
    except ValueError:
        raise ModelError(f"NUMBA_NUM_THREADS must be a whole number, not {text!r}") from None


def check_followable(program: Program) -> None:
    """Refuse to simulate a variable some of whose observed transitions the model does not declare."""
    moving = {transition.variable for transition in program.model.transitions}
    observed = program.observed
    lost: dict[str, int] = {}
    for event in np.flatnonzero((observed.transition < 0) & ~observed.early):
        position = observed.variable[event]
        variable = program.model.variables[position]
        if variable.name in moving:
            left = (observed.before[event] // program.joint.strides[position]) % len(variable.states)
            name = f"{variable.name}: {variable.states[left]} > {variable.states[observed.state[event]]}"
            lost[name] = lost.get(name, 0) + 1
    if lost:
        listed = ", ".join(f"{name!r} ({count} events)" for name, count in sorted(lost.items()))
        raise FitError(
            f"the history has transitions that the model does not declare: {listed}; to simulate, declare them, or "
            "declare no transition of that variable, so that it follows what happened"
        )


def frame_of(program: Program) -> Frame:
    """Return what worlds of a program have in common."""
    history, numbers, observed = program.history, program.history.numbers, program.observed
    moving = {transition.variable for transition in program.model.transitions}
    follows = np.array([variable.name not in moving for variable in program.model.variables])
    led = np.flatnonzero(follows[observed.variable] & ~observed.early)
    followed = Followed(
        observed.time[led],
        observed.unit[led].astype(np.int32),
        observed.variable[led].astype(np.int32),
        observed.state[led].astype(np.int32),
    )
    initial = {}
    for position, variable in enumerate(program.model.variables):
        stride, size = program.joint.strides[position], len(variable.states)
        initial[variable.name] = ((program.layout.state // stride) % size).astype(np.int32)
    return Frame(
        units=tuple(numbers.units),
        variables=program.model.variables,
        start=float(numbers.start),
        end=float(numbers.end),
        enter=numbers.enter,
        exit=numbers.exit,
        initial=initial,
        clock=history.clock,
        first=history.window[0] if history.dated else None,
        followed=followed,
    )


def _refuse(program: Program, failure: tuple[int, int, int, float]) -> None:
    status, cause, unit, time = failure
    name = program.history.numbers.units[unit]
    if status == ENDLESS:
        what = "an intervention" if cause == FORCED else repr(program.cause_name(cause))
        raise FitError(
            f"a world does not end: more than {most_events(program)} events by {program.when(time)}, the last of them "
            f"by {what} in {name!r}; the hazards are too high"
        )
    if (program.layout.rows < 0).any():
        program.refuse_missing(cause, unit, time)
    raise FitError(
        f"the hazard of {program.cause_name(cause)!r} in {name!r} at {program.when(time)} is not a finite number: "
        "a coefficient, a covariate or a tie weight is too large"
    )


def most_events(program: Program) -> int:
    """Return the bound on the events of one world."""
    return max(MOST_EVENTS, 100 * len(program.history.numbers.units))


def simulate(
    program: Program,
    vector: NDArray[np.float64],
    worlds: int,
    seed: int,
    interventions: Sequence[Intervention | str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Ensemble:
    """Simulate worlds of a program; see `Program.simulate`."""
    if isinstance(worlds, bool) or not isinstance(worlds, int | np.integer) or worlds < 0:
        raise ModelError(f"worlds must be a whole number of at least 0, not {worlds!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ModelError(f"seed must be a whole number of at least 0, not {seed!r}")
    changed = intervene(program, vector, interventions)
    check_followable(program)
    tables = changed.program.tables(changed.vector)
    layout = changed.layout
    most = most_events(program)
    key = np.uint64(int(seed) % 2**64)

    def batch(first: int, last: int) -> Any:
        result = simulate_kernel(layout, tables, key, first, last, most)
        if result[0][0] != DONE:
            _refuse(changed.program, result[0])
        return result[1:]

    pool_size = threads()
    results: list[Any] = []
    done = 0
    # The first few worlds tell how many fit in a batch; batches do not change what any world is.
    first_batch = min(worlds, 8)
    if first_batch:
        results.append(batch(0, first_batch))
        done = first_batch
        if progress is not None:
            progress(done, worlds)
    if done < worlds:
        mean = max(1.0, float(results[0][0].sum()) / first_batch)
        size = int(np.clip(BATCH_EVENTS / mean, 1, max(1, -(-(worlds - done) // pool_size))))
        bounds = [(first, min(first + size, worlds)) for first in range(done, worlds, size)]
        with ThreadPoolExecutor(pool_size) as pool:
            pending = [pool.submit(batch, *bound) for bound in bounds]
            try:
                for future, bound in zip(pending, bounds, strict=True):
                    results.append(future.result())
                    if progress is not None:
                        progress(bound[1], worlds)
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
    sentences = tuple(str(intervention) for intervention in changed.interventions)
    table = events_table(program, results)
    return Ensemble(table, int(worlds), int(seed), frame_of(changed.program), program.history, sentences)


def _dictionary(
    codes: NDArray[Any], names: Sequence[str], missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    indices = pa.array(codes, type=pa.int32(), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names), type=pa.string()))


def events_table(program: Program, results: Sequence[Any]) -> pa.Table:
    """Return the events of simulated worlds as the table of an ensemble."""
    counts = np.concatenate([part[0] for part in results]) if results else np.empty(0, dtype=np.int64)
    time = np.concatenate([part[1] for part in results]) if results else np.empty(0)
    events = np.concatenate([part[2] for part in results]) if results else np.empty((0, 6), dtype=np.int32)
    unit, variable, left, entered, cause, source = np.ascontiguousarray(events.T)
    declared = program.model.variables
    states = list(dict.fromkeys(state for each in declared for state in each.states))
    code = np.zeros((len(declared), max(len(each.states) for each in declared)), dtype=np.int32)
    for position, each in enumerate(declared):
        code[position, : len(each.states)] = [states.index(state) for state in each.states]
    causes = list(dict.fromkeys([*(cause.name for _, cause in program.causes), "intervention"]))
    cause_code = np.array([causes.index(c.name) for _, c in program.causes] + [causes.index("intervention")])
    fields: dict[str, Any] = {
        "world": pa.array(np.repeat(np.arange(counts.size, dtype=np.int64), counts)),
        "time": pa.array(time),
    }
    if program.history.dated:
        first = np.datetime64(program.history.window[0], "D")
        fields["date"] = pa.array(first + np.floor(time).astype(np.int64), type=pa.date32())
    fields["unit"] = _dictionary(unit, program.history.numbers.units)
    fields["variable"] = _dictionary(variable, [each.name for each in declared])
    fields["from"] = _dictionary(code[variable, left], states)
    fields["to"] = _dictionary(code[variable, entered], states)
    fields["cause"] = _dictionary(cause_code[cause].astype(np.int32), causes)
    fields["source"] = _dictionary(source, program.history.numbers.units, source < 0)
    return pa.table(fields)
