"""Ties from a graph or a matrix that another program made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError
from tocsin.ties.tie_frame import identifiers, ties_frame

if TYPE_CHECKING:
    import pandas as pd


def from_graph(graph: Any, layer: str, weight: str | None = "weight") -> pd.DataFrame:
    """Return the edges of a networkx graph (or one of its kind) as ties: u -> v makes u the source.

    Edges of an undirected graph act both ways. Parallel edges of a multigraph stay separate ties.

    Parameters:
        graph: what has `edges(data=True)` and `is_directed()`.
        layer: name of the layer of ties.
        weight: the edge attribute with weights (1 where an edge has none); None: all 1.

    Raises:
        TocsinError: it is no such graph.

    >>> import networkx
    >>> tc.ties.from_graph(networkx.path_graph(3), "path")
    """
    if not callable(getattr(graph, "is_directed", None)) or not hasattr(graph, "edges"):
        raise TocsinError(
            f"a {type(graph).__name__} is no graph: give one of networkx, or a frame to from_pairs"
        )
    edges = [
        (u, v, 1.0 if weight is None else data.get(weight, 1.0)) for u, v, data in graph.edges(data=True)
    ]
    if graph.is_directed():
        said = "as the graph's arrows: u -> v is source -> target"
    else:
        edges += [(v, u, w) for u, v, w in edges if u != v]
        said = "the graph is undirected: each end of an edge acts on the other"
    return ties_frame(
        layer,
        identifiers(u for u, _, _ in edges),
        identifiers(v for _, v, _ in edges),
        np.array([w for _, _, w in edges], float),
        direction=said,
    )


def from_matrix(
    matrix: Any,
    layer: str,
    *,
    rows: str,
    units: Sequence[object] | None = None,
    start: Any = None,
    end: Any = None,
) -> pd.DataFrame:
    """Return the entries of a matrix other than zero as ties, weights and all.

    Parameters:
        matrix: a SciPy sparse matrix, a NumPy array, or a frame whose index and columns name the units.
        layer: name of the layer of ties.
        rows: ``"source"`` if a row acts on its columns (an adjacency matrix), ``"target"`` if a row is acted on by
            them (a spatial weights matrix W, as in W y). It must be said: the two are mistaken for each other.
        units: the units in the order of rows and columns; not for a frame.
        start, end: first and last day of all ties (the window by default).

    Raises:
        TocsinError: the matrix is not square, names and size differ, a weight is negative or no number.

    >>> import scipy.sparse
    >>> tc.ties.from_matrix(scipy.sparse.csr_array([[0, 2], [0, 0]]), "trade", rows="source", units=["a", "b"])
    """
    if rows not in ("source", "target"):
        raise TocsinError(
            f"rows={rows!r}: say 'source' (a row acts on its columns) or 'target' (they act on it)"
        )
    if hasattr(matrix, "columns") and hasattr(matrix, "index"):
        units, columns = identifiers(matrix.index), identifiers(matrix.columns)
        if set(units) != set(columns) or len(set(units)) < len(units):
            raise TocsinError("the rows and the columns of the matrix name different units, or one twice")
        matrix = matrix.to_numpy(float)[:, [columns.index(unit) for unit in units]]
    if units is None:
        raise TocsinError("say units=: the names of the units in the order of rows and columns")
    names = identifiers(units)
    if tuple(matrix.shape) != (len(names), len(names)):
        raise TocsinError(
            f"the matrix is {' x '.join(map(str, matrix.shape))}, and there are {len(names)} units"
        )
    if hasattr(matrix, "tocoo"):
        entries = matrix.tocoo()
        down, across, weight = entries.row, entries.col, np.asarray(entries.data, float)
        down, across, weight = down[weight != 0], across[weight != 0], weight[weight != 0]
    else:
        dense = np.asarray(matrix, float)
        down, across = np.nonzero(dense)
        weight = dense[down, across]
    bad = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if len(bad):
        place = f"row {names[down[bad[0]]]!r}, column {names[across[bad[0]]]!r}"
        raise TocsinError(f"{len(bad):,} entries are no weights of at least 0: {weight[bad[0]]} in {place}")
    ends = [names[k] for k in down.tolist()], [names[k] for k in across.tolist()]
    source, target = ends if rows == "source" else ends[::-1]
    said = "a row acts on its columns" if rows == "source" else "columns act on their row"
    return ties_frame(layer, source, target, weight, start, end, said)
