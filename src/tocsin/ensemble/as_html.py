"""An ensemble as a cell of a notebook shows it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble


def as_html(ensemble: Ensemble) -> str:
    """Return how many worlds there are, of what, and the numbers of entries into each state, as HTML."""
    frame = ensemble.frame
    rows = []
    for variable in frame.variables:
        for state in variable.states:
            if (ensemble._moves(variable.name).to == variable.code(state)).any():
                entries = ensemble.counts(variable.name, state)["entries"].to_numpy()
                low, mid, high = np.quantile(entries, [0.05, 0.5, 0.95], method="inverted_cdf")
                rows.append((variable.name, state, f"{mid:g}", f"{low:g} to {high:g}"))
    names = ("variable", "state", "entries a world, median", "in 90 of 100 worlds")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    changed = "".join(f"<br>changed: {html.escape(sentence)}" for sentence in ensemble.interventions)
    changed += f"<br>given: {html.escape(ensemble.given)}" if ensemble.given != "nothing" else ""
    changed += "".join(f"<br>{html.escape(sentence)}" for sentence in ensemble.doubt)
    return (
        f"<p><b>{ensemble.worlds:,} worlds</b> of {len(frame.units):,} units, {frame.label(frame.start)} to "
        f"{frame.label(frame.last)}, {ensemble.events.num_rows:,} events, seed {ensemble.seed}"
        f"{changed}</p><table>{head}{body}</table>"
    )
