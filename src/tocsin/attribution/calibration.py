"""Whether attribution is right: in simulated worlds the true cause and source of every event are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.attribution.shares import Splitter
from tocsin.ensemble.spells import codes_of, wilson
from tocsin.errors import FitError, TocsinError, check_whole, suggestion
from tocsin.fit.draws import draw_parameters
from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT, VARIABLE

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.parameterised import Parameterised
    from tocsin.fit.predict import Worlds
    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KINDS = ("sources", "causes")

DRAWS = 50  # of the parameters of each world's own fit


def calibration(
    given: Parameterised,
    history: History,
    worlds: int = 100,
    seed: int = 1917,
    of: str = "sources",
    bins: int = 10,
    refit: bool = False,
) -> pd.DataFrame:
    """Return how often attributed shares come true: of those near 70 per cent, 70 in 100 should.

    Worlds are simulated and attributed; of each cause, or each source of a contagion, the share is set against
    whether it was the true one. At the parameters that made the worlds shares are probabilities, and calibrated
    whatever the model; refitted, each world is attributed by parameters estimated from itself, over draws of
    their uncertainty, as in practice.

    Parameters:
        given: a fit, or a model with given parameters.
        history: whose units, ties and covariates the worlds have.
        worlds, seed: of the simulation.
        of: ``sources`` (event, contagion and source unit) or ``causes`` (event and cause).
        bins: into how many equal parts the shares from 0 to 1 are put.
        refit: whether each world is attributed by a fit of its own.

    Returns:
        One row a bin that is not empty: lower, upper (its ends), expected (mean share), observed (share that was
        true), count, low and high (95% interval of the observed, Wilson 1927).

    Raises:
        TocsinError: an unknown kind, or a number of worlds or bins that is none.
        FitError: no world could be fitted.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> fit = tc.Model.from_toml(history.model_path).fit(history)
        >>> tc.calibration(fit, history, worlds=2, seed=1, of="causes").shape[0] > 0
        True
    """
    return reliability(outcomes(given, history, worlds, seed, of, refit), bins)


def reliability(rows: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """Return the reliability table of shares and what was true; see `calibration`.

    Parameters:
        rows: with the columns share and true.
        bins: how many equal parts.
    """
    import pandas as pd

    check_whole(1, bins=bins)
    share, true = rows["share"].to_numpy(dtype=float), rows["true"].to_numpy(dtype=float)
    place = np.clip(np.floor(share * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    full = np.flatnonzero(count)
    number = count[full]
    observed = np.bincount(place, true, minlength=bins)[full] / number
    ends = [wilson(part, of) for part, of in zip(observed, number, strict=True)]
    low, high = np.array(ends).reshape(-1, 2).T
    return pd.DataFrame(
        {
            "lower": full / bins,
            "upper": (full + 1) / bins,
            "expected": np.bincount(place, share, minlength=bins)[full] / number,
            "observed": observed,
            "count": number,
            "low": low,
            "high": high,
        }
    )


def outcomes(
    given: Parameterised, history: History, worlds: int, seed: int, of: str = "sources", refit: bool = False
) -> pd.DataFrame:
    """Return every share of simulated worlds with whether it was the true one; see `calibration`.

    Returns:
        One row a share: world, event (number in its world), transition, cause, source (of sources), share, true.
    """
    import pandas as pd

    from tocsin.fit.predict import Worlds

    if of not in KINDS:
        raise TocsinError(f"of= is {' or '.join(map(repr, KINDS))}, not {of!r}" + suggestion(str(of), KINDS))
    check_whole(1, worlds=worlds)
    program = given.program(history)
    vector = program.pack(given.values)
    ensemble = program.simulate(vector, int(worlds), seed)
    drawn = Worlds(program, ensemble)
    cause = codes_of(ensemble.events["cause"], _names(program))
    source = codes_of(ensemble.events["source"], program.history.numbers.units)
    parts = []
    for k in range(int(worlds)):
        world = drawn[k]
        vectors = _fitted(world, seed + k) if refit else vector[None]
        if vectors is None:
            continue
        part = _shares(world, vectors, of)
        own = slice(drawn.first[k], drawn.first[k + 1])
        truth = _truth(drawn, world, own)
        part["world"] = k
        right = cause[own][truth[part["event"]]] == part["cause"]
        if of == "sources":
            right &= source[own][truth[part["event"]]] == part["source"]
        part["true"] = right
        parts.append(pd.DataFrame(part))
    if not parts:
        raise FitError(f"none of {worlds} worlds had an event of every transition and could be fitted")
    table = pd.concat(parts, ignore_index=True)
    names = np.array([each.name for _, each in program.causes], dtype=object)
    moves = np.array([move.name for move, _ in program.causes], dtype=object)
    units = np.array(program.history.numbers.units, dtype=object)
    table["transition"], table["cause"] = moves[table["number"]], names[table["number"]]
    columns = ["world", "event", "transition", "cause", "share", "true"]
    if of == "sources":
        table["source"] = units[table["source"]]
        columns.insert(4, "source")
    return table[columns]


def _names(program: Program) -> list[str]:
    """Return the names of causes, each once: transitions may have causes of one name."""
    return list(dict.fromkeys(each.name for _, each in program.causes))


def _truth(drawn: Worlds, world: Program, own: slice) -> Ints:
    """Return for each event of a world's trace its place among the world's own events in the ensemble."""
    trace = world.trace
    explained = np.flatnonzero(trace.events[:, EXPLAINED] >= 0)
    moved = trace.events[explained]
    mine = np.lexsort((moved[:, VARIABLE], moved[:, UNIT], trace.time[explained]))
    theirs = np.lexsort((drawn.variable[own], drawn.unit[own], drawn.time[own]))
    place = np.full(trace.time.size, -1, dtype=np.int64)
    place[explained[mine]] = theirs
    return place


def _shares(world: Program, vectors: Floats, of: str) -> dict[str, Any]:
    """Return number of the cause, that of its name, event, source unit and share of every row."""
    splitter = Splitter(world, vectors.mean(axis=0) if len(vectors) > 1 else vectors[0])
    shares = splitter.shares(vectors)
    called = _names(world)
    if of == "causes":
        listed = [(number, splitter.event[number][splitter.shown[number]]) for number in splitter.order]
        share = shares.causes
    else:
        listed = [(number, each.event) for number, each in splitter.listed.items()]
        share = shares.sources
    size = [event.size for _, event in listed]
    number = np.repeat(np.array([each[0] for each in listed], dtype=np.int64), size)
    name = np.array([called.index(each.name) for _, each in world.causes], dtype=np.int64)
    result: dict[str, Any] = {
        "number": number,
        "cause": name[number],
        "event": np.concatenate([np.empty(0, dtype=np.int64), *(event for _, event in listed)]),
        "share": share.mean(axis=1),
    }
    if of == "sources":
        units = [each.unit for each in splitter.listed.values()]
        result["source"] = np.concatenate([np.empty(0, dtype=np.int64), *units])
    return result


def _fitted(world: Program, seed: int) -> Floats | None:
    """Return draws of the parameters of a world's own fit; None where it cannot be fitted."""
    from tocsin.fit.fit import fit_program

    try:
        fit = fit_program(world)
    except FitError:
        return None
    return draw_parameters(fit, fit.fitted_program, DRAWS, seed).vectors
