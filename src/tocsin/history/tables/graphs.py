"""Ties handed over as networkx graphs or SciPy sparse matrices: known by what they can do, without importing either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.history.tables import frames
from tocsin.history.tables.frames import Raw, from_frame, plain

if TYPE_CHECKING:
    from tocsin.history.tables.schema import Report


def is_graph(value: object) -> bool:
    """Whether ties come as a networkx graph."""
    return hasattr(value, "edges") and hasattr(value, "is_directed")


def is_matrix(value: object) -> bool:
    """Whether ties come as a matrix, sparse or square."""
    return hasattr(value, "tocoo") or (isinstance(value, np.ndarray) and value.ndim == 2)


def ties_of(ties: object, units: Raw, report: Report) -> Raw:
    """Read ties: a frame, a graph, a matrix, or a dict of any of these by layer.

    Parameters:
        ties: a tie of a directed graph runs from source to target; an undirected graph has both; the rows and the
            columns of a matrix are the units in the order of their table, and it must be symmetric.
        units: the table of units.
    """
    if is_graph(ties):
        return _raw(_of_graph(ties, str(getattr(ties, "name", "") or "ties"), report))
    if is_matrix(ties):
        return _raw(_of_matrix(ties, "ties", units, report))
    layered = isinstance(ties, Mapping) and any(
        is_graph(each) or is_matrix(each) or hasattr(each, "columns") or hasattr(each, "column_names")
        for each in ties.values()
    )
    if not layered:
        return from_frame(ties, "ties", report)
    assert isinstance(ties, Mapping)
    parts = []
    for layer, each in ties.items():
        if is_graph(each):
            parts.append(_of_graph(each, str(layer), report))
        elif is_matrix(each):
            parts.append(_of_matrix(each, str(layer), units, report))
        else:
            raw = from_frame(each, f"ties[{layer!r}]", report)
            parts.append(pa.table({**raw.columns, "layer": frames.strings([str(layer)] * raw.rows)}))
    full = [each for each in parts if each.num_rows]
    return _raw(pa.concat_tables(full, promote_options="permissive")) if full else Raw("ties", {}, 0)


def _raw(table: Any) -> Raw:
    return Raw("ties", dict(zip(table.column_names, table.columns, strict=True)), table.num_rows)


def _of_graph(graph: Any, layer: str, report: Report) -> Any:
    """The edges of a graph with their weight, start and end where they have some."""
    edges = [(source, target, data) for source, target, data in graph.edges(data=True)]
    if not graph.is_directed():
        edges += [(target, source, data) for source, target, data in edges if source != target]
    columns = {
        "layer": frames.strings([layer] * len(edges)),
        "source": frames.strings(plain(source) for source, _, _ in edges),
        "target": frames.strings(plain(target) for _, target, _ in edges),
    }
    for name in ("weight", "start", "end"):
        values = [data.get(name) for _, _, data in edges]
        if any(value is not None for value in values):
            filled = [1.0 if value is None and name == "weight" else value for value in values]
            raw = from_frame({name: filled}, "ties", report)
            columns |= raw.columns
    return pa.table(columns)


def _of_matrix(matrix: Any, layer: str, units: Raw, report: Report) -> Any:
    """The entries of a symmetric matrix that are not zero."""
    from scipy.sparse import coo_array

    sparse = coo_array(matrix)
    names = [plain(value) for value in units.columns["unit"].to_pylist()] if "unit" in units.columns else []
    empty = pa.table({"layer": pa.nulls(0), "source": pa.nulls(0), "target": pa.nulls(0)})
    if sparse.shape != (len(names), len(names)):
        told = f"a matrix of {' x '.join(map(str, sparse.shape))} for {len(names):,} units: one row and column a unit"
        report.add("ties", told, column=layer)
        return empty
    if abs(sparse - sparse.T).max() > 0:
        told = (
            "this matrix is not symmetric, and does not say whether its rows are sources or targets: give a directed "
            "graph, or a table with source and target"
        )
        report.add("ties", told, column=layer)
        return empty
    return pa.table(
        {
            "layer": frames.strings([layer] * sparse.nnz),
            "source": frames.strings(names[row] for row in sparse.coords[0].tolist()),
            "target": frames.strings(names[column] for column in sparse.coords[1].tolist()),
            "weight": frames.numeric(sparse.data.astype(np.float64)),
        }
    )
