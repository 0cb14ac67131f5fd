"""Simulate many worlds of a program: batches of worlds over a pool of threads, kept as one Arrow table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

import numpy as np
import pyarrow as pa

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import Followed, Frame
from tocsin.ensemble.parameter_draws import Stopped, draws_of
from tocsin.ensemble.room import check_room
from tocsin.errors import FitError, ModelError, TooLarge, check_seed
from tocsin.history.time import GROUPED
from tocsin.interventions.apply import intervene
from tocsin.kernels.exposure_sweep import EXPLAINED
from tocsin.kernels.layout import KIND, RETURN, WHEN, A, B, C
from tocsin.kernels.simulation import DONE, ENDLESS, FORCED_CAUSE
from tocsin.kernels.simulation import simulate as simulate_kernel
from tocsin.program.condition import NOTHING
from tocsin.program.ties import led_breaks
from tocsin.states import FORCED

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from distributed import Client
    from numpy.typing import NDArray

    from tocsin.ensemble.given_history import DrawnRecipe
    from tocsin.ensemble.parameter_draws import Draws
    from tocsin.interventions.apply import Changed
    from tocsin.interventions.intervention import Intervention
    from tocsin.kernels.layout import Layout, Tables
    from tocsin.program.condition import Condition
    from tocsin.program.program import Program
    from tocsin.states import StateVariable

MOST_EVENTS = 1_000_000  # of one world, or a hundred a unit where that is more

BATCH_EVENTS = 200_000

TIMES = 200  # draws of the times of observed events that are open, where worlds are given them

FEWEST_EVENTS = 20_000  # that a world may have where parameters are drawn, or a hundred times what happened

SHARES = 8  # of the draws that each thread takes, one after the other


Item = TypeVar("Item")
Made = TypeVar("Made")


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
    led, back = led_breaks(layout), layout.breaks[:, KIND] == RETURN
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
        absences=numbers.absences,
        returns=Followed(
            layout.break_at[WHEN, back],
            *(layout.breaks[back, column].astype(np.int32) for column in (A, B, C)),
        ),
    )


def _refuse(program: Program, failure: Stopped, most: int | None = None) -> NoReturn:
    _, status, cause, unit, time = failure
    if unit < 0:
        raise TooLarge("a hazard overflows: a coefficient or a covariate is too large")
    name = program.history.numbers.units[unit]
    if status == ENDLESS:
        what = "an intervention" if cause == FORCED_CAUSE else repr(program.cause_name(cause))
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


MOST_WORLDS = 10**15  # the numbers of all are exact as floats, and so is the room they need


def check_numbers(worlds: object, seed: object) -> None:
    """Refuse numbers of worlds and seeds that are not whole numbers of at least 0."""
    if isinstance(worlds, bool) or not isinstance(worlds, int | np.integer) or worlds < 0:
        raise ModelError(f"worlds must be a whole number of at least 0, not {worlds!r}")
    if worlds > MOST_WORLDS:
        raise ModelError(f"there can be {MOST_WORLDS:,} worlds and no more")
    check_seed(seed)


@dataclass(frozen=True)
class DrawnAs:
    """What it takes to draw the worlds that are asked for, and to say what they are.

    Attributes:
        program, vector: the program, and the parameters where none are drawn.
        recipe: draws worlds.
        changed: the program as interventions have it, for names in messages.
        drawn: parameters drawn from their uncertainty, None where all worlds have `vector`.
        frame: what the worlds have in common.
    """

    program: Program
    vector: NDArray[np.float64]
    recipe: Recipe
    changed: Changed
    drawn: Draws | None
    condition: Condition
    frame: Frame

    @staticmethod
    def of(
        program: Program,
        vector: NDArray[np.float64],
        seed: int,
        interventions: Sequence[Intervention | str],
        condition: Condition,
        draws: Any,
    ) -> DrawnAs:
        """Prepare worlds; see `simulate`."""
        drawn = None if draws is None else draws_of(draws, program.parameter_names, program.learned)
        recipe, changed = recipe_of(program, vector, seed, interventions)
        shown = changed.layout
        if condition != NOTHING or drawn is not None:
            from tocsin.ensemble.given_history import Setting

            setting = Setting(program, changed, recipe, condition)
            shown = setting.shown
            if drawn is not None:
                recipe = setting.drawn(drawn, most_drawn(program))
            elif (
                program.spans is not None and condition.given != "nothing"
            ):  # times are drawn, parameters are not
                recipe = setting.drawn(np.tile(vector, (TIMES, 1)))
            else:
                recipe = setting.recipe(vector)
        return DrawnAs(
            program, vector, recipe, changed, drawn, condition, frame_of_worlds(changed.program, shown)
        )

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return what was changed."""
        return tuple(str(intervention) for intervention in self.changed.interventions)

    def refuse(self, failure: Stopped) -> NoReturn:
        """Raise the error for a world that could not be drawn."""
        _refuse(self.changed.program, failure, None if self.drawn is None else most_drawn(self.program))

    def content(self, worlds: int, size: int) -> dict[str, Any]:
        """Return what a folder says of the run, whose parts have so many worlds."""
        from tocsin.ensemble.runner import manifest_of

        return manifest_of(
            self.recipe,
            worlds,
            size,
            self.program,
            self.vector,
            self.changed.interventions,
            str(self.condition),
            self.drawn,
        )


def simulate(
    program: Program,
    vector: NDArray[np.float64],
    worlds: int,
    seed: int,
    interventions: Sequence[Intervention | str] = (),
    progress: Callable[[int, int], None] | None = None,
    folder: str | Path | None = None,
    runner: Client | Executor | None = None,
    condition: Condition = NOTHING,
    draws: Any = None,
) -> Ensemble:
    """Simulate worlds of a program; see `Program.simulate`.

    Parameters:
        folder: keep the worlds there, as Parquet parts, instead of in memory; a run that was interrupted goes
            on from its finished parts.
        runner: what draws the worlds elsewhere: a `concurrent.futures.Executor`, or a dask.distributed Client.
        condition: what of the observed history the worlds share.
        draws: parameters drawn from their uncertainty, instead of `vector` for all; see `draws_of`. A world that
            does not end, or whose hazard overflows, is then stopped and told in `Ensemble.stopped`.

    Raises:
        FitError: at `vector`, a world does not end or a hazard overflows; or under draws every world.
    """
    check_numbers(worlds, seed)
    asked = DrawnAs.of(program, vector, seed, interventions, condition, draws)
    recipe, refuse = asked.recipe, asked.refuse
    if runner is None:
        check_room(recipe, int(worlds), None if folder is None else Path(folder), threads())
    stopped: tuple[Stopped, ...] = ()
    if folder is None and runner is None:
        table, stopped = draw_all(recipe, int(worlds), refuse, progress)
    else:
        from tocsin.ensemble.runner import check_runner, gather, keep, part_size

        if runner is not None:
            check_runner(runner)
        content = asked.content(int(worlds), part_size(recipe, int(worlds), refuse))
        if folder is not None:
            from tocsin.ensemble.on_disk import EnsembleParts

            parts = keep(recipe, content, asked.frame, Path(folder), refuse, progress, runner)
            refused_or_told(parts.stopped(), int(worlds), refuse)
            return EnsembleParts(parts, asked.frame, program.history, asked.sentences)
        assert runner is not None
        table, stopped = gather(recipe, content, refuse, progress, runner)
    if stopped and asked.drawn is None:
        refuse(min(stopped))
    shared = (program.history, asked.sentences, str(condition), asked.drawn, stopped)
    return Ensemble(table, int(worlds), int(seed), asked.frame, *shared)


def simulate_share(
    program: Program,
    vector: NDArray[np.float64],
    worlds: int,
    seed: int,
    share: tuple[int, int],
    folder: Path,
    interventions: Sequence[Intervention | str] = (),
    condition: Condition = NOTHING,
    draws: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Draw one share of the worlds of a run into a folder where other processes draw the others.

    Parameters:
        share: (k, n): the k-th of n shares, from 1. Which worlds it has follows from the run alone.
        folder: the same for all; `gather_shares` makes it whole.

    Returns:
        How many worlds the share has; what is there already is not drawn again.

    Raises:
        ModelError: a share that is none.
        TocsinError: the folder holds the worlds of another run.
    """
    from tocsin.ensemble.runner import cut, draw_share

    check_numbers(worlds, seed)
    number, shares = share
    if not 1 <= number <= shares:
        raise ModelError(f"there is no share {number} of {shares}: they are numbered from 1 to {shares}")
    asked = DrawnAs.of(program, vector, seed, interventions, condition, draws)
    size = cut(asked.recipe, int(worlds), shares, asked.refuse)
    content = {**asked.content(int(worlds), size), "shares": shares}
    return draw_share(asked.recipe, content, asked.frame, folder, asked.refuse, share, progress)


def draw_all(
    recipe: Recipe,
    worlds: int,
    refuse: Callable[[Stopped], NoReturn],
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pa.Table, tuple[Stopped, ...]]:
    """Draw all worlds over the threads of this machine; return their events and the worlds that were stopped."""
    from tocsin.ensemble.given_history import DrawnRecipe

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

        def told(found: list[Columns]) -> None:
            if progress is not None:
                progress(bounds[len(found) - 1][1], worlds)

        parts += over_threads(lambda bound: batch(*bound), bounds, pool_size, told)
    return recipe.table(parts), ()


def over_threads(
    work: Callable[[Item], Made], items: Sequence[Item], workers: int, told: Callable[[list[Made]], None]
) -> list[Made]:
    """Return what `work` makes of each item, in order, over a pool of threads; where one fails the rest is dropped.

    Parameters:
        told: called after each item, in order, with all that is made so far.
    """
    made: list[Made] = []
    with ThreadPoolExecutor(workers) as pool:
        pending = [pool.submit(work, item) for item in items]
        try:
            for future in pending:
                made.append(future.result())
                told(made)
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    return made


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

    def told(made: list[tuple[Drawn, Columns]]) -> None:
        if progress is not None:
            progress(sum(drawn.worlds.size for drawn, _ in made), worlds)

    found = over_threads(share, shares, pool_size, told)
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


# --- What it takes to draw worlds: arrays and names without history or model, so that it can travel

BLOCK = 1 << 16  # events

Columns = dict[str, "NDArray[Any]"]

ALL = -1  # the world of a failure that all worlds share, as they open


class Drawn(NamedTuple):
    """Worlds as the kernel returns them.

    Attributes:
        worlds: their numbers; counts: events of each (worlds,).
        times, events: times and codes of the events, world after world: (events,) and (events, 6).
        failure: where drawing failed: the worlds after that one were not drawn.
        stopped: worlds that ended before their time, which is no failure where parameters are drawn.
    """

    worlds: NDArray[np.int64]
    counts: NDArray[np.int64]
    times: NDArray[np.float64]
    events: NDArray[np.int32]
    failure: Stopped | None = None
    stopped: tuple[Stopped, ...] = ()


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that a machine needs to draw worlds of a program.

    Attributes:
        layout, tables: arrays of the program and of its parameters.
        seed: the seed.
        most: bound on the events of one world.
        units, variables, causes: names behind the codes.
        day: first day of the window where times are dates.
        clock: of the history; in grouped time what happens in an interval is seen from its end on.
    """

    layout: Layout
    tables: Tables
    seed: int
    most: int
    units: tuple[str, ...]
    variables: tuple[StateVariable, ...]
    causes: tuple[str, ...]
    day: date | None
    clock: str

    def draw(self, first: int, last: int, step: int = 1) -> Drawn:
        """Draw the worlds first, first + step, ... below last, as far as the first that fails."""
        key = np.uint64(self.seed % 2**64)
        if self.clock in GROUPED:
            from tocsin.kernels.grouped_worlds import simulate_intervals

            whole = self.clock == "step"
            found = simulate_intervals(self.layout, self.tables, key, first, last, self.most, whole, step)
        else:
            found = simulate_kernel(self.layout, self.tables, key, first, last, self.most, step)
        return drawn_worlds(range(first, last, step), *found)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        return [*self.layout._asdict().items(), *self.tables._asdict().items()]

    def columns(self, drawn: Drawn) -> Columns:
        """Return the events of worlds as columns of a table, names as codes; all their work is done here."""
        count, states, causes = drawn.times.size, self._states(), self._causes()
        most = max(len(each.states) for each in self.variables)
        code = np.zeros((len(self.variables), most), dtype=np.int32)
        for position, each in enumerate(self.variables):
            code[position, : len(each.states)] = [states.index(state) for state in each.states]
        cause_code = np.array([causes.index(name) for name in [*self.causes, FORCED]], dtype=np.int32)
        found: Columns = {"world": np.repeat(drawn.worlds, drawn.counts), "time": drawn.times}
        if self.day is not None:
            found["date"] = np.empty(count, dtype=np.int32)
        found |= {
            name: np.empty(count, np.int32) for name in ("unit", "variable", "from", "to", "cause", "source")
        }
        # In blocks, so that nothing in between is as large as what comes out.
        for piece in (slice(begin, begin + BLOCK) for begin in range(0, count, BLOCK)):
            unit, variable, left, entered, cause, source = np.ascontiguousarray(drawn.events[piece].T)
            found["unit"][piece], found["variable"][piece], found["source"][piece] = unit, variable, source
            found["from"][piece] = code.take(variable * most + left)
            found["to"][piece] = code.take(variable * most + entered)
            found["cause"][piece] = cause_code.take(cause, mode="wrap")
            if self.day is not None:
                found["date"][piece] = np.floor(drawn.times[piece])
        if self.day is not None:
            found["date"] += np.int32((self.day - date(1970, 1, 1)).days)
        return found

    def table(self, parts: Sequence[Columns]) -> pa.Table:
        """Return the events of worlds that follow one another, as the table of an ensemble."""
        whole = parts[0] if len(parts) == 1 else {}
        if not parts:
            none = np.zeros(0, np.int64)
            whole = self.columns(Drawn(none, none, np.zeros(0), np.zeros((0, 6), np.int32)))
        elif len(parts) > 1:
            # Joined by NumPy, which asks for large pages: fresh memory in small ones costs more than the copy.
            whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        units = pa.array(list(self.units), type=pa.string())
        states, causes = self._states(), self._causes()
        names = {
            "unit": units,
            "variable": [each.name for each in self.variables],
            "from": states,
            "to": states,
            "cause": causes,
            "source": units,
        }
        fields: dict[str, Any] = {name: pa.array(whole[name]) for name in ("world", "time")}
        if "date" in whole:
            fields["date"] = pa.array(whole["date"]).view(pa.date32())
        for name, words in names.items():
            absent = whole[name] < 0 if name == "source" else None
            indices = pa.array(whole[name], type=pa.int32(), mask=absent)
            fields[name] = pa.DictionaryArray.from_arrays(indices, pa.array(words, type=pa.string()))
        return pa.table(fields)

    def _states(self) -> list[str]:
        return list(dict.fromkeys(state for each in self.variables for state in each.states))

    def _causes(self) -> list[str]:
        return list(dict.fromkeys([*self.causes, FORCED]))


def drawn_worlds(
    worlds: range,
    status: tuple[int, int, int, float],
    failed: int,
    counts: NDArray[np.int64],
    times: NDArray[np.float64],
    events: NDArray[np.int32],
) -> Drawn:
    """Return what a kernel says of the worlds that it was asked for."""
    numbers = np.arange(worlds.start, worlds.stop, worlds.step, dtype=np.int64)
    failure = None
    if status[0] != DONE:
        failure = Stopped(int(failed), int(status[0]), int(status[1]), int(status[2]), float(status[3]))
    return Drawn(numbers, counts, times, events, failure)


def drawn_through(recipe: Recipe, first: int, last: int, step: int) -> Drawn:
    """Draw worlds, and go on after each that fails: it ends where it failed, and is told among `stopped`."""
    parts: list[Drawn] = []
    stopped: list[Stopped] = []
    begin = first
    while begin < last:
        drawn = recipe.draw(begin, last, step)
        if drawn.failure is None:
            parts.append(drawn)
            break
        if drawn.failure.world == ALL:
            stopped += [drawn.failure._replace(world=world) for world in range(begin, last, step)]
            parts.append(drawn)
            break
        reached = (drawn.failure.world - begin) // step + 1
        parts.append(drawn._replace(worlds=drawn.worlds[:reached], counts=drawn.counts[:reached]))
        stopped.append(drawn.failure)
        begin += reached * step
    return together(parts, stopped)


def together(parts: Sequence[Drawn], stopped: Sequence[Stopped] = ()) -> Drawn:
    """Return worlds of several kernel calls as one, in the order of their calls."""
    if len(parts) == 1 and not stopped and not parts[0].stopped:
        return parts[0]
    worlds, counts, times, events = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("worlds", "counts", "times", "events")
    )
    told = [each for part in parts for each in part.stopped]
    return Drawn(worlds, counts, times, events, None, (*told, *stopped))


def in_order(drawn: Drawn) -> Drawn:
    """Return worlds in the order of their numbers, with those that were stopped."""
    order = np.argsort(drawn.worlds, kind="stable")
    taken = rows_in_order(drawn.worlds, drawn.counts)
    return Drawn(
        drawn.worlds[order],
        drawn.counts[order],
        drawn.times[taken],
        drawn.events[taken],
        drawn.failure,
        tuple(sorted(drawn.stopped)),
    )


def rows_in_order(worlds: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the rows of worlds stand, world after world in the order of their numbers.

    Parameters:
        worlds, counts: worlds in the order in which their rows stand, and how many rows each has.
    """
    order = np.argsort(worlds, kind="stable")
    sizes = counts[order]
    begin = np.cumsum(counts) - counts
    # The beginning of its world, and its place in it.
    shift = np.repeat(begin[order] - (np.cumsum(sizes) - sizes), sizes)
    return np.asarray(np.arange(shift.size) + shift)


def first_worlds(recipe: Recipe) -> int:
    """Return how many worlds tell how many events a world has; of large ones, one is enough."""
    return 8 if len(recipe.units) <= 10_000 else 1
