"""Draw worlds part by part: over threads, an executor or a cluster, or by processes that know nothing of each other."""

from __future__ import annotations

import hashlib
import pickle
import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pyarrow as pa

from tocsin.ensemble.on_disk import (
    EnsembleParts,
    Parts,
    claim,
    decode,
    digest,
    encode,
    open_ensemble,
    open_parts,
)
from tocsin.ensemble.parameter_draws import Draws, Stopped
from tocsin.ensemble.simulate import Recipe, first_worlds
from tocsin.errors import ModelError, TocsinError
from tocsin.files.locks import alone

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import NDArray

    from tocsin.ensemble.frame import Frame
    from tocsin.history.history import History
    from tocsin.program.program import Program

PART_EVENTS = 1_000_000  # about 10 MB on disk, and 200 MB of memory while it is drawn

FEWEST_PARTS = 64  # where there are that many worlds, so that threads and machines have something to share

ASKED = 64  # parts that an executor has at most, done or not

MOST_NAMED = 20  # shares in a message

AHEAD = 2  # parts asked for beyond each worker's own, so that none waits

Progress = Callable[[int, int], None]

Refuse = Callable[[Stopped], NoReturn]


def versions() -> dict[str, str]:
    """Return what the bits of a world depend on beside its recipe."""
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: version(name) for name in ("tocsin", "numpy", "numba", "llvmlite")},
    }


def manifest_of(
    recipe: Recipe,
    worlds: int,
    size: int,
    program: Program,
    params: NDArray[np.float64],
    interventions: Sequence[object],
    given: str = "nothing",
    draws: Draws | None = None,
) -> dict[str, Any]:
    """Return what a folder says of the run whose worlds it keeps."""
    return {
        "run": digest_of_recipe(recipe, worlds, size),
        "seed": recipe.seed,
        "worlds": worlds,
        "size": size,
        "history": f"{program.history.name} {program.history.digest}",
        "model": digest(program.model.to_toml()),
        "parameters": {
            name: float(value).hex() for name, value in zip(program.parameter_names, params, strict=True)
        },
        "interventions": [str(each) for each in interventions],
        "given": given,
        "draws": None if draws is None else draws.content(),
        "shares": None,
        "versions": versions(),
    }


def digest_of_recipe(recipe: Recipe, worlds: int, size: int) -> str:
    """Return a digest of everything that the worlds follow from."""
    sha = hashlib.sha256(repr((recipe.seed, recipe.most, worlds, size, recipe.day)).encode())
    sha.update(repr((recipe.units, recipe.variables, recipe.causes)).encode())
    for name, array in recipe.arrays():
        values = np.ascontiguousarray(array)
        sha.update(f"{name} {values.dtype.str} {values.shape}".encode())
        sha.update(values.data if values.size else b"")
    return sha.hexdigest()


def part_size(recipe: Recipe, worlds: int, refuse: Refuse) -> int:
    """Return how many worlds make a part: it follows from the first worlds, so it is the same everywhere."""
    few = min(worlds, first_worlds(recipe))
    if few == 0:
        return 1
    drawn = recipe.draw(0, few)
    if drawn.failure is not None:
        refuse(drawn.failure)
    mean = max(1.0, float(drawn.counts.sum()) / few)
    return int(np.clip(PART_EVENTS / mean, 1, max(1, -(-worlds // FEWEST_PARTS))))


def draw_part(recipe: Recipe, label: dict[str, Any]) -> bytes | Stopped:
    """Return a part as bytes, or where drawing it failed."""
    drawn = recipe.draw(label["first"], label["last"])
    if drawn.failure is not None:
        return drawn.failure
    return encode(recipe.table([recipe.columns(drawn)]), label, drawn.stopped)


def keep(
    recipe: Recipe,
    content: dict[str, Any],
    frame: Frame,
    folder: Path,
    refuse: Refuse,
    progress: Progress | None,
    runner: Client | Executor | None,
) -> Parts:
    """Draw the worlds of a run into a folder; parts that an earlier call finished are kept.

    Raises:
        TocsinError: the folder holds something else, or another process writes there.
        FitError: drawing a world failed (`refuse`).
    """
    with alone(folder, "writing worlds"):
        parts = claim(folder, content, frame)
        parts.clear()
        with ThreadPoolExecutor(_threads()) as pool:
            faults = list(pool.map(lambda number: parts.fault(number, whole=True), range(len(parts))))
        todo = [number for number, fault in enumerate(faults) if fault is not None]
        done = parts.worlds - sum(_width(parts, number) for number in todo)
        if progress is not None:
            progress(done, parts.worlds)
        for number, drawn in draw_parts(recipe, parts, todo, runner):
            if not isinstance(drawn, bytes):
                refuse(drawn)
            parts.write(number, drawn)
            done += _width(parts, number)
            if progress is not None:
                progress(done, parts.worlds)
        return parts.seal()


def gather(
    recipe: Recipe,
    content: dict[str, Any],
    refuse: Refuse,
    progress: Progress | None,
    runner: Client | Executor,
) -> tuple[pa.Table, tuple[Stopped, ...]]:
    """Draw the worlds of a run on a cluster; return their events and the worlds that were stopped."""
    from tocsin.ensemble.simulate import refused_or_told

    parts = Parts(Path(), content)
    tables: dict[int, pa.Table] = {}
    stopped: list[Stopped] = []
    done = 0
    for number, drawn in draw_parts(recipe, parts, list(range(len(parts))), runner):
        if not isinstance(drawn, bytes):
            refuse(drawn)
        tables[number], told = decode(drawn)
        stopped += told
        done += _width(parts, number)
        if progress is not None:
            progress(done, parts.worlds)
    if not tables:
        return recipe.table([]), ()
    table = pa.concat_tables([tables[number] for number in sorted(tables)]).unify_dictionaries()
    return table, refused_or_told(stopped, parts.worlds, refuse)


def cut(recipe: Recipe, worlds: int, shares: int, refuse: Refuse) -> int:
    """Return how many worlds make a part where so many processes share them: each has whole parts."""
    each = max(1, _up(worlds, shares))
    return _up(each, _up(each, part_size(recipe, worlds, refuse)))


def draw_share(
    recipe: Recipe,
    content: dict[str, Any],
    frame: Frame,
    folder: Path,
    refuse: Refuse,
    share: tuple[int, int],
    progress: Progress | None,
) -> int:
    """Draw one share of the worlds of a run into a folder that other processes write to as well.

    Parts are put into place whole and are the same whoever draws them, so nobody waits for anybody.

    Parameters:
        share: (k, n), the k-th of n, from 1.

    Returns:
        How many worlds the share has.

    Raises:
        TocsinError: the folder holds something else.
        FitError: drawing a world failed (`refuse`).
    """
    parts = claim(folder, content, frame)
    mine = parts_of_share(parts, share)
    todo = [number for number in mine if parts.fault(number, whole=True) is not None]
    total = sum(_width(parts, number) for number in mine)
    done = total - sum(_width(parts, number) for number in todo)
    for number, drawn in draw_parts(recipe, parts, todo, None):
        if not isinstance(drawn, bytes):
            refuse(drawn)
        parts.write(number, drawn)
        done += _width(parts, number)
        if progress is not None:
            progress(done, total)
    return total


def parts_of_share(parts: Parts, share: tuple[int, int]) -> range:
    """Return the numbers of the parts that a share (k, n) has."""
    number, shares = share
    each = _up(_up(parts.worlds, shares), int(parts.content["size"]))
    return range(min((number - 1) * each, len(parts)), min(number * each, len(parts)))


def gather_shares(folder: str | Path, history: History | None = None) -> EnsembleParts:
    """Return the worlds that processes have drawn into a folder, once all are there; the folder is then whole.

    Raises:
        TocsinError: parts are missing, damaged or of another run; the message says which shares to draw again.

    Parameters:
        folder: where `tocsin draw` has written.
        history: the history of the worlds, for maps and comparisons.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> drawn = [fit.draw_share(history, (k, 2), "worlds", worlds=20, seed=1) for k in (1, 2)]
        >>> tc.gather_shares("worlds").worlds
        20
    """
    folder = Path(folder)
    parts, _ = open_parts(folder)
    shares = parts.content.get("shares")
    if not isinstance(shares, int):
        raise TocsinError(f"{folder}: these worlds were not drawn in shares; read them with tc.Ensemble.read")
    bad = {
        k: faults
        for k in range(1, shares + 1)
        if (faults := [f for n in parts_of_share(parts, (k, shares)) if (f := parts.fault(n, whole=True))])
    }
    if bad:
        named = [f"{k}/{shares}" for k in bad]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        raise TocsinError(
            f"{folder} is not whole: {len(bad)} of {shares} shares are missing or damaged: "
            f"{', '.join(named[:MOST_NAMED])}{more} (of the first, {next(iter(bad.values()))[0]}); draw these again "
            "with --part and gather once more"
        )
    with alone(folder, "gathering worlds"):
        parts.clear()
        parts.seal()
    return open_ensemble(folder, history)


def _up(number: int, by: int) -> int:
    """Return a quotient, rounded up."""
    return -(-number // by)


def _width(parts: Parts, number: int) -> int:
    first, last = parts.bounds(number)
    return last - first


def _threads() -> int:
    from tocsin.ensemble.simulate import threads

    return threads()


def draw_parts(
    recipe: Recipe, parts: Parts, todo: Sequence[int], runner: Client | Executor | None
) -> Iterator[tuple[int, bytes | Stopped]]:
    """Draw the parts asked for, in whatever order they are finished."""
    if runner is None:
        return _on_threads(recipe, parts, todo)
    if isinstance(runner, Executor):
        return _on_executor(recipe, parts, todo, runner)
    return _on_cluster(recipe, parts, todo, runner)


def _on_threads(recipe: Recipe, parts: Parts, todo: Sequence[int]) -> Iterator[tuple[int, bytes | Stopped]]:
    count = _threads()
    with ThreadPoolExecutor(count) as pool:
        waiting = deque(todo)
        pending: deque[tuple[int, Any]] = deque()
        try:
            while waiting or pending:
                # A part that is finished waits in memory until it is written: only a few may.
                while waiting and len(pending) < count + 1:
                    number = waiting.popleft()
                    pending.append((number, pool.submit(draw_part, recipe, parts.label(number))))
                number, future = pending.popleft()
                yield number, future.result()
        finally:
            for _, future in pending:
                future.cancel()


@lru_cache(maxsize=1)
def _unpacked(packed: bytes) -> Recipe:
    return _unpack(packed)


def _part_of_packed(packed: bytes, label: dict[str, Any], expected: dict[str, str]) -> bytes | Stopped | str:
    return _part_elsewhere(_unpacked(packed), label, expected)


def _on_executor(
    recipe: Recipe, parts: Parts, todo: Sequence[int], executor: Executor
) -> Iterator[tuple[int, bytes | Stopped]]:
    """Draw parts by an executor; a few more are asked for than come back, since nobody says how many it works at."""
    packed, expected = pickle.dumps(recipe, protocol=5), versions()
    waiting = deque(todo)
    pending: dict[Future[bytes | Stopped | str], int] = {}
    try:
        while waiting or pending:
            while waiting and len(pending) < ASKED:
                number = waiting.popleft()
                pending[executor.submit(_part_of_packed, packed, parts.label(number), expected)] = number
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                number = pending.pop(future)
                try:
                    drawn = future.result()
                except TocsinError:
                    raise
                except Exception as error:  # a worker died: finished parts are safe
                    raise _lost(parts, number, "the executor", error) from error
                if isinstance(drawn, str):
                    raise TocsinError(f"a worker of the executor has other versions, so other bits: {drawn}")
                yield number, drawn
    finally:
        for future in pending:
            future.cancel()


def _lost(parts: Parts, number: int, who: str, error: Exception) -> TocsinError:
    first, last = parts.bounds(number)
    return TocsinError(
        f"{who} could not draw the worlds {first} to {last - 1}: {type(error).__name__}: {error}; parts that were "
        "written to a folder are kept: simulate again to go on"
    )


def _unpack(packed: bytes) -> Recipe:
    recipe: Recipe = pickle.loads(packed)
    return recipe


def _part_elsewhere(recipe: Recipe, label: dict[str, Any], expected: dict[str, str]) -> bytes | Stopped | str:
    found = versions()
    if found != expected:
        return ", ".join(
            f"{key} {found[key]}, not {expected[key]}" for key in found if found[key] != expected[key]
        )
    return draw_part(recipe, label)


def check_runner(runner: Any) -> None:
    """Refuse what is neither an executor nor a Client of dask.distributed that can be waited for."""
    if isinstance(runner, Executor):
        return
    takes = "runner= takes a concurrent.futures.Executor or a dask.distributed Client"
    try:
        from distributed import Client
    except ImportError:
        raise ModelError(f"{takes} (which needs tocsin[cluster]), not {type(runner).__name__}") from None
    if not isinstance(runner, Client):
        raise ModelError(f"{takes}, not {type(runner).__name__}")
    if runner.asynchronous:
        raise ModelError("runner= takes a Client that is not asynchronous")


def _on_cluster(
    recipe: Recipe, parts: Parts, todo: Sequence[int], runner: Client
) -> Iterator[tuple[int, bytes | Stopped]]:
    import distributed

    cluster: Any = runner  # dask's functions carry no types
    flow: Any = distributed.as_completed([])  # type: ignore[no-untyped-call]
    # The recipe is the result of a task, not scattered data: when the worker that holds it is lost, the
    # scheduler makes it again. Parts come back as bytes, so that workers need no disk in common.
    shared = cluster.submit(_unpack, pickle.dumps(recipe, protocol=5), pure=False)
    expected = versions()
    number_of: dict[str, int] = {}
    waiting = deque(todo)

    def ask() -> None:
        room = AHEAD * max(1, sum(cluster.nthreads().values())) + 1
        while waiting and len(number_of) < room:
            number = waiting.popleft()
            future = cluster.submit(_part_elsewhere, shared, parts.label(number), expected, pure=False)
            number_of[future.key] = number
            flow.add(future)

    try:
        ask()
        while number_of:
            future = next(flow)
            number = number_of.pop(future.key)
            try:
                drawn = future.result()
            except TocsinError:
                raise
            except Exception as error:  # whatever a lost cluster raises, finished parts are safe
                raise _lost(parts, number, "the cluster", error) from error
            future.release()
            if isinstance(drawn, str):
                raise TocsinError(f"a worker of the cluster has other versions, so other bits: {drawn}")
            ask()
            yield number, drawn
    finally:
        for future in list(flow.futures):
            future.cancel()
        shared.release()
