"""Simulate many worlds of a program: batches of worlds over a pool of threads, kept as one Arrow table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa

from tocsin.ensemble.draws import Stopped, draws_of
from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import Followed, Frame
from tocsin.ensemble.recipe import Columns, Drawn, Recipe, first_worlds, rows_in_order
from tocsin.ensemble.room import check_room
from tocsin.errors import FitError, ModelError, TooLarge
from tocsin.kernels.events import ENDLESS, FORCED
from tocsin.kernels.layout import WHEN, A, B, C
from tocsin.kernels.sweep import EXPLAINED
from tocsin.program.given import NOTHING
from tocsin.program.interventions import intervene
from tocsin.program.interventions.apply import led_breaks
from tocsin.words import check_seed

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import NDArray

    from tocsin.ensemble.given import DrawnRecipe
    from tocsin.kernels.layout import Layout
    from tocsin.program.given import Condition
    from tocsin.program.interventions import Changed, Intervention
    from tocsin.program.program import Program

MOST_EVENTS = 1_000_000  # of one world, or a hundred a unit where that is more
BATCH_EVENTS = 200_000
TIMES = 200  # draws of the times of observed events that are open, where worlds are given them
FEWEST_EVENTS = 20_000  # that a world may have where parameters are drawn, or a hundred times what happened
SHARES = 8  # of the draws that each thread takes, one after the other


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
            f"the history has transitions that the model does not declare: {listed}; to simulate, declare "
            "them, or declare no transition of that variable, so that it follows what happened"
        )


def frame_of_worlds(program: Program, layout: Layout) -> Frame:
    """Return what worlds of a program have in common, with interventions as its layout has them."""
    history, numbers = program.history, program.history.numbers
    # What the layout forces without showing it are events of variables that follow what happened.
    led = led_breaks(layout)
    followed = Followed(
        layout.break_at[WHEN, led],
        *(layout.breaks[led, column].astype(np.int32) for column in (A, B, C)),
    )
    stride, size = layout.variable.T
    return Frame(
        units=tuple(numbers.units),
        variables=program.model.variables,
        start=float(numbers.start),
        end=float(numbers.end),
        enter=numbers.enter,
        exit=numbers.exit,
        initial={
            variable.name: ((layout.state // stride[position]) % size[position]).astype(np.int32)
            for position, variable in enumerate(program.model.variables)
        },
        clock=history._clock.name,
        first=history.window[0] if history.dated else None,
        followed=followed,
    )


def _refuse(program: Program, failure: Stopped, most: int | None = None) -> NoReturn:
    _, status, cause, unit, time = failure
    if unit < 0:
        raise TooLarge("a hazard overflows: a coefficient or a covariate is too large")
    name = program.history.numbers.units[unit]
    if status == ENDLESS:
        what = "an intervention" if cause == FORCED else repr(program.cause_name(cause))
        raise FitError(
            f"a world does not end: more than {most or most_events(program)} events by {program.when(time)}, "
            f"the last of them by {what} in {name!r}; the hazards are too high"
        )
    if (program.layout.rows < 0).any():
        program.refuse_missing(cause, unit, time)
    raise TooLarge(
        f"the hazard of {program.cause_name(cause)!r} in {name!r} at {program.when(time)} is not a finite "
        "number: a coefficient, a covariate or a tie weight is too large"
    )


def most_events(program: Program) -> int:
    """Return the bound on the events of one world."""
    return max(MOST_EVENTS, 100 * len(program.history.numbers.units))


def most_drawn(program: Program) -> int:
    """Return the bound on the events of one world where parameters are drawn: one beyond it has no end.

    It is far from what happened, and such that worlds without end fill no memory.
    """
    happened = int((program.trace.events[:, EXPLAINED] >= 0).sum())
    return min(
        most_events(program), max(FEWEST_EVENTS, 100 * happened, 100 * len(program.history.numbers.units))
    )


def recipe_of(
    program: Program, vector: NDArray[np.float64], seed: int, interventions: Sequence[Intervention | str] = ()
) -> tuple[Recipe, Changed]:
    """Return what it takes to draw worlds of a program, and the changed program for names in messages."""
    changed = intervene(program, vector, interventions)
    check_followable(program)
    recipe = Recipe(
        changed.layout,
        changed.program.tables(changed.vector),
        int(seed),
        most_events(program),
        tuple(program.history.numbers.units),
        program.model.variables,
        tuple(cause.name for _, cause in program.causes),
        program.history.window[0] if program.history.dated else None,
        program.history.clock,
    )
    return recipe, changed


def check_numbers(worlds: object, seed: object) -> None:
    """Refuse numbers of worlds and seeds that are not whole numbers of at least 0."""
    if isinstance(worlds, bool) or not isinstance(worlds, int | np.integer) or worlds < 0:
        raise ModelError(f"worlds must be a whole number of at least 0, not {worlds!r}")
    check_seed(seed)


def simulate(
    program: Program,
    vector: NDArray[np.float64],
    worlds: int,
    seed: int,
    interventions: Sequence[Intervention | str] = (),
    progress: Callable[[int, int], None] | None = None,
    folder: str | Path | None = None,
    runner: Client | None = None,
    condition: Condition = NOTHING,
    draws: Any = None,
) -> Ensemble:
    """Simulate worlds of a program; see `Program.simulate`.

    Parameters:
        folder: keep the worlds there, as Parquet parts, instead of in memory; a run that was interrupted goes
            on from its finished parts.
        runner: a dask.distributed Client, whose machines draw the worlds.
        condition: what of the observed history the worlds share.
        draws: parameters drawn from their uncertainty, instead of `vector` for all; see `draws_of`. A world that
            does not end, or whose hazard overflows, is then stopped and told in `Ensemble.stopped`.

    Raises:
        FitError: at `vector`, a world does not end or a hazard overflows; or under draws every world.
    """
    check_numbers(worlds, seed)
    drawn = None if draws is None else draws_of(draws, program.parameter_names, program.learned)
    recipe, changed = recipe_of(program, vector, seed, interventions)
    shown = changed.layout
    most = most_drawn(program)
    if condition != NOTHING or drawn is not None:
        from tocsin.ensemble.given import Setting

        setting = Setting(program, changed, recipe, condition)
        shown = setting.shown
        if drawn is not None:
            recipe = setting.drawn(drawn, most)
        elif (
            program.spans is not None and condition.given != "nothing"
        ):  # times are drawn, parameters are not
            recipe = setting.drawn(np.tile(vector, (TIMES, 1)))
        else:
            recipe = setting.recipe(vector)
    frame = frame_of_worlds(changed.program, shown)
    sentences = tuple(str(intervention) for intervention in changed.interventions)

    def refuse(failure: Stopped) -> NoReturn:
        _refuse(changed.program, failure, None if drawn is None else most)

    if runner is None:
        check_room(recipe, int(worlds), None if folder is None else Path(folder), threads())
    stopped: tuple[Stopped, ...] = ()
    if folder is None and runner is None:
        table, stopped = draw_all(recipe, int(worlds), refuse, progress)
    else:
        from tocsin.ensemble.runner import check_runner, gather, keep, manifest_of, part_size

        if runner is not None:
            check_runner(runner)
        content = manifest_of(
            recipe,
            int(worlds),
            part_size(recipe, int(worlds), refuse),
            program,
            vector,
            changed.interventions,
            str(condition),
            drawn,
        )
        if folder is not None:
            from tocsin.ensemble.ensemble_parts import EnsembleParts

            parts = keep(recipe, content, frame, Path(folder), refuse, progress, runner)
            refused_or_told(parts.stopped(), int(worlds), refuse)
            return EnsembleParts(parts, frame, program.history, sentences)
        assert runner is not None
        table, stopped = gather(recipe, content, refuse, progress, runner)
    if stopped and drawn is None:
        refuse(min(stopped))
    shared = (program.history, sentences, str(condition), drawn, stopped)
    return Ensemble(table, int(worlds), int(seed), frame, *shared)


def draw_all(
    recipe: Recipe,
    worlds: int,
    refuse: Callable[[Stopped], NoReturn],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pa.Table, tuple[Stopped, ...]]:
    """Draw all worlds over the threads of this machine; return their events and the worlds that were stopped."""
    from tocsin.ensemble.given import DrawnRecipe

    if isinstance(recipe, DrawnRecipe):
        return _draw_drawn(recipe, worlds, refuse, progress)

    def batch(first: int, last: int) -> Columns:
        drawn = recipe.draw(first, last)
        if drawn.failure is not None:
            refuse(drawn.failure)
        return recipe.columns(drawn)

    pool_size = threads()
    parts: list[Columns] = []
    done = 0
    # The first few worlds tell how many fit in a batch; batches do not change what any world is.
    first_batch = min(worlds, first_worlds(recipe))
    if first_batch:
        parts.append(batch(0, first_batch))
        done = first_batch
        if progress is not None:
            progress(done, worlds)
    if done < worlds:
        mean = max(1.0, parts[0]["world"].size / first_batch)
        # As many batches for every thread, so that none waits long for another at the end.
        rounds = -(-(worlds - done) * mean // (BATCH_EVENTS * pool_size))
        size = int(max(1, -(-(worlds - done) // (rounds * pool_size))))
        bounds = [(first, min(first + size, worlds)) for first in range(done, worlds, size)]
        with ThreadPoolExecutor(pool_size) as pool:
            pending = [pool.submit(batch, *bound) for bound in bounds]
            try:
                for future, bound in zip(pending, bounds, strict=True):
                    parts.append(future.result())
                    if progress is not None:
                        progress(bound[1], worlds)
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
    return recipe.table(parts), ()


def _draw_drawn(
    recipe: DrawnRecipe,
    worlds: int,
    refuse: Callable[[Stopped], NoReturn],
    progress: Callable[[int, int], None] | None,
) -> tuple[pa.Table, tuple[Stopped, ...]]:
    """Draw all worlds, draw after draw of their parameters: what a draw needs is made once for its worlds."""
    used = min(len(recipe.draws), worlds)
    pool_size = threads()
    size = max(1, -(-used // (pool_size * SHARES)))
    shares = [range(first, min(first + size, used)) for first in range(0, used, size)]
    recipe.setting.ready()

    def share(numbers: range) -> tuple[Drawn, Columns]:
        drawn = recipe.draw_of(numbers, worlds)
        return drawn, recipe.columns(drawn)

    found: list[tuple[Drawn, Columns]] = []
    with ThreadPoolExecutor(pool_size) as pool:
        pending = [pool.submit(share, numbers) for numbers in shares]
        try:
            for future in pending:
                found.append(future.result())
                if progress is not None:
                    progress(sum(drawn.worlds.size for drawn, _ in found), worlds)
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    stopped = refused_or_told([each for drawn, _ in found for each in drawn.stopped], worlds, refuse)
    parts = [columns for _, columns in found]
    if len(parts) > 1 or used < worlds:
        world, counts = (
            np.concatenate([getattr(drawn, name) for drawn, _ in found]) for name in ("worlds", "counts")
        )
        taken = rows_in_order(world, counts)
        with ThreadPoolExecutor(pool_size) as pool:
            names = list(parts[0])
            whole = list(pool.map(lambda name: np.concatenate([part[name] for part in parts])[taken], names))
        parts = [dict(zip(names, whole, strict=True))]
    return recipe.table(parts), stopped


def refused_or_told(
    stopped: Sequence[Stopped], worlds: int, refuse: Callable[[Stopped], NoReturn]
) -> tuple[Stopped, ...]:
    """Return the worlds that were stopped, in their order; refuse where that is every world."""
    if worlds and len(stopped) == worlds:
        refuse(min(stopped))
    return tuple(sorted(stopped))
