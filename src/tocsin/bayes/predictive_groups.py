"""What ArviZ asks for beside the posterior: draws of the prior, what was observed, and what the posterior predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray
    from numpy.typing import NDArray

    from tocsin.bayes.posterior import Posterior


def with_predictions(posterior: Posterior, worlds: int, seed: int) -> xarray.DataTree:
    """Return the data of a posterior with groups prior, observed_data and posterior_predictive.

    Predicted and observed are counts of `events` by unit and state entered; worlds stand as draws of one chain.
    """
    import xarray

    rng = np.random.default_rng([posterior.seed, 1])
    prior = posterior.belief.draw(rng, worlds)[0][None]
    one = {"chain": [0], "draw": np.arange(worlds)}
    history = posterior.history
    entered = [
        f"{move.variable}={move.to}"
        for move in {(each.variable, each.to): each for each in posterior.model.transitions}.values()
    ]
    where = {"entered": entered, "unit": list(history.numbers.units)}
    units, states = (
        {name: k for k, name in enumerate(where["unit"])},
        {name: k for k, name in enumerate(entered)},
    )
    events = posterior.simulate(worlds=worlds, seed=seed).events
    drawn = np.zeros((worlds, len(entered), len(units)), np.int64)
    _count(drawn, events.column("world").to_numpy(), events, "to", units, states)
    seen = np.zeros((1, len(entered), len(units)), np.int64)
    late = np.flatnonzero(~history.numbers.early)
    rows = history.table("events").take(late)
    _count(seen, np.zeros(len(late), np.int64), rows, "state", units, states)
    dims = ("chain", "draw", "entered", "unit")
    groups = {f"/{name}": group.to_dataset() for name, group in posterior.data.children.items()}
    groups["/prior"] = xarray.Dataset(
        {"parameters": (("chain", "draw", "parameter"), prior)},
        one | {"parameter": posterior.parameter_names},
    )
    groups["/observed_data"] = xarray.Dataset({"events": (dims[2:], seen[0])}, where)
    groups["/posterior_predictive"] = xarray.Dataset({"events": (dims, drawn[None])}, one | where)
    return xarray.DataTree.from_dict(groups, name="tocsin")


def _count(
    out: NDArray[np.int64], world: NDArray[np.int64], table: Any, column: str, units: Any, states: Any
) -> None:
    """Add one for each event whose state a transition of the model enters."""
    names = [table.column(name).to_pylist() for name in ("variable", column, "unit")]
    for k, variable, state, unit in zip(world.tolist(), *names, strict=True):
        place = states.get(f"{variable}={state}")
        if place is not None:
            out[k, place, units[unit]] += 1
