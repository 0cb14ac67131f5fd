"""Worlds whose parameters are uncertain: each is drawn with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble import Ensemble
    from tocsin.ensemble.recipe import Drawn
    from tocsin.history import History
    from tocsin.infer.effects import Effects
    from tocsin.program.interventions import Intervention

    Floats = NDArray[np.float64]

BATCH = 64


def draw_effects(effects: Effects, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Draw standard deviations (count, B) and random effects (count, R) from their prior."""
    spreads, parts = [np.empty((count, 0))], [np.empty((count, 0))]
    for block in effects.blocks:
        spread = np.abs(rng.standard_normal((count, 1))) * block.spread
        spreads.append(spread)
        parts.append(spread * block.spread_out(rng.standard_normal((count, block.inner))))
    return np.concatenate(spreads, axis=1), np.concatenate(parts, axis=1)


def simulate_draws(
    effects: Effects,
    vectors: Floats,
    effect: Floats,
    worlds: int,
    seed: int,
    interventions: Sequence[Intervention | str],
    progress: Callable[[int, int], None] | None,
    history: History,
) -> Ensemble:
    """Simulate worlds; world w has the parameters vectors[w mod S] and the effects effect[w mod S].

    Raises:
        FitError: a hazard overflows or a world does not end; the message says under which parameters.
    """
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.simulate import _refuse, check_numbers, frame_of_worlds, recipe_of, threads

    check_numbers(worlds, seed)
    size = vectors.shape[0]
    _, whole = effects.at(effects.program, vectors[0], effect[0])
    first, changed = recipe_of(effects.program, whole, seed, interventions)
    frame = frame_of_worlds(changed.program, changed.layout)

    def batch(begin: int, end: int) -> list[Drawn]:
        drawn = []
        for world in range(begin, end):
            program, vector = effects.at(changed.program, vectors[world % size], effect[world % size])
            try:
                one = replace(first, tables=program.tables(changed.alter(vector))).draw(world, world + 1)
                if one.failure is not None:
                    _refuse(program, one.failure)
            except FitError as error:
                raise FitError(
                    f"world {world}, with draw {world % size} of its parameters: {error}"
                ) from None
            drawn.append(one)
        return drawn

    bounds = [(begin, min(begin + BATCH, worlds)) for begin in range(0, int(worlds), BATCH)]
    parts: list[Drawn] = []
    with ThreadPoolExecutor(threads()) as pool:
        pending = [pool.submit(batch, *bound) for bound in bounds]
        try:
            for future, bound in zip(pending, bounds, strict=True):
                parts += future.result()
                if progress is not None:
                    progress(bound[1], worlds)
        except BaseException:
            for future in pending:
                future.cancel()
            raise
    sentences = tuple(str(intervention) for intervention in changed.interventions)
    table = first.table([first.columns(part) for part in parts])
    return Ensemble(table, int(worlds), int(seed), frame, history, sentences)
