"""Transmission trees: which event each event came from, drawn and as a consensus, with the support of arcs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.attribution.attribution import bounds
from tocsin.attribution.offspring import parent_nodes
from tocsin.attribution.shares import gathered
from tocsin.errors import TocsinError, check_whole
from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import ATTRIBUTION
from tocsin.files.whole import write_whole

if TYPE_CHECKING:
    import networkx
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.attribution.attribution import Attribution

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

HOME, HELD = -1, -2  # in the place of a parent: none, and a state held on entry

TREES = 200  # drawn where there are no draws of parameters


@dataclass(frozen=True)
class _Options:
    """Every possible parent of every event: its event, the parent's number, its share and those of draws."""

    event: Ints
    node: Ints
    row: Ints  # of the strongest line among those of this parent, in causes (home) or parents
    share: Floats
    drawn: NDArray[np.floating] | None


def _options(attribution: Attribution) -> _Options:
    """Gather the shares of home and of each parent, over all causes and layers."""
    causes, parents, drawn = attribution.causes, attribution.parents, attribution.drawn
    home = np.flatnonzero(causes["layer"].isna())
    node, _ = parent_nodes(attribution)
    event = np.concatenate([causes["event"].to_numpy()[home], parents["event"].to_numpy()]).astype(np.int64)
    nodes = np.concatenate([np.full(home.size, HOME), node])
    row = np.concatenate([home, np.arange(len(parents))])
    share = np.concatenate([causes["share"].to_numpy()[home], parents["share"].to_numpy()]).astype(float)
    order = np.lexsort((-share, nodes, event))  # the strongest line of each parent comes first
    event, nodes, row, share = event[order], nodes[order], row[order], share[order]
    fresh = np.ones(event.size, dtype=bool)
    fresh[1:] = (event[1:] != event[:-1]) | (nodes[1:] != nodes[:-1])
    number = np.cumsum(fresh) - 1
    size = int(fresh.sum())
    summed = None
    if drawn is not None:
        summed = gathered(number, np.concatenate([drawn.causes[home], drawn.parents])[order], size)
    together = np.bincount(number, share, minlength=size).astype(float)
    return _Options(event[fresh], nodes[fresh], row[fresh], together, summed)


def arcs(attribution: Attribution) -> pd.DataFrame:
    """Return every possible parent of every event; see `Attribution.arcs`."""
    import pandas as pd

    options, causes, parents = _options(attribution), attribution.causes, attribution.parents
    events = attribution.events
    own = [name for name in events.columns if name != "sends"]
    table = events.iloc[options.event][own].reset_index(drop=True)
    at_home = options.node == HOME
    late = ~at_home & (options.node < len(events))
    table["kind"] = np.where(at_home, "home", np.where(late, "event", "held"))
    line = (
        parents.iloc[np.where(at_home, 0, options.row)] if len(parents) else parents.reindex([0] * len(table))
    )
    line = line.reset_index(drop=True)
    table["parent"] = line["source"].astype(object).where(~at_home, None)
    table["parent_event"] = pd.array(np.where(late, options.node, 0), dtype="Int64")
    table.loc[~late, "parent_event"] = pd.NA
    for name in ("time", "date", "state"):
        if f"source_{name}" in line:
            empty = {"time": np.nan, "date": pd.NaT, "state": None}[name]
            table[f"parent_{name}"] = line[f"source_{name}"].where(~at_home, empty)
    for name in ("cause", "layer"):
        mine = causes[name].to_numpy(dtype=object)[np.where(at_home, options.row, 0)]
        table[name] = np.where(at_home, mine, line[name].to_numpy(dtype=object))
    table["support"] = options.share if options.drawn is None else options.drawn.mean(axis=1)
    table["lower"], table["upper"] = bounds(table["support"].to_numpy(), options.drawn, attribution.level)
    # Of equal parents home comes first, then the earlier.
    order = np.lexsort((options.node, -table["support"].to_numpy(), options.event))
    return table.iloc[order].reset_index(drop=True)


def consensus(attribution: Attribution) -> Tree:
    """Return the consensus tree; see `Attribution.tree`."""
    table = arcs(attribution)
    home = table[table["kind"] == "home"].set_index("event")["support"]
    best = table.drop_duplicates("event").reset_index(drop=True)
    best["home"] = best["event"].map(home).fillna(0.0).to_numpy(dtype=float)
    return Tree(attribution, best)


@dataclass(frozen=True, eq=False)
class Tree:
    """Each event with its likeliest parent.

    Attributes:
        attribution: what it was made of.
        table: one row an explained event: the columns of `Attribution.arcs` for its likeliest parent, and home
            (the support of home, whoever the parent).
    """

    attribution: Attribution
    table: pd.DataFrame

    def to_networkx(self) -> networkx.DiGraph:
        """Return the tree as a directed graph: from parents to their offspring.

        Nodes are numbers of events, and `UNIT STATE` for states held on entry; they have unit, variable, state,
        time, [date], kind (event or held), and for explained events transition, home (the support of home) and
        support (that of the chosen parent). Events from home have no parent. Arcs have support, lower, upper
        (where there are intervals), cause and layer.

        Raises:
            TocsinError: networkx is not installed.
        """
        graph = _networkx().DiGraph(name=f"consensus tree of {self.attribution.history.name}")
        events = self.attribution.events
        rows = self.table.to_dict("records")
        used = {row["event"] for row in rows} | {
            row["parent_event"] for row in rows if row["kind"] == "event"
        }
        for row in events[events["event"].isin(used)].to_dict("records"):
            graph.add_node(
                str(row["event"]),
                **_told(row, ["unit", "variable", "time", "date", "transition"]),
                state=row["to"],
                kind="event",
            )
        for row in rows:
            node = str(row["event"])
            graph.nodes[node].update(home=float(row["home"]), support=float(row["support"]))
            if row["kind"] == "home":
                continue
            parent = str(row["parent_event"])
            if row["kind"] == "held":
                since = next(
                    iter(_told(row, ["parent_date"] if "parent_date" in row else ["parent_time"]).values()),
                    "",
                )
                parent = f"{row['parent']} {row['parent_state']} {since}".strip()
            if parent not in graph:
                told = {"unit": row["parent"], "state": row["parent_state"], "kind": "held"}
                named = {"time": row["parent_time"], "date": row.get("parent_date")}
                graph.add_node(parent, **told, **_told(named, ["time", "date"]))
            graph.add_edge(parent, node, **_told(row, ["support", "lower", "upper", "cause", "layer"]))
        return graph

    def write_graphml(self, path: str | Path) -> Path:
        """Write the tree as GraphML, whole or not at all; networkx, Gephi, igraph and yEd read it.

        Raises:
            TocsinError: networkx is not installed, or the file cannot be written.
        """
        write_whole(Path(path), self.graphml())
        return Path(path)

    def graphml(self) -> bytes:
        """Return the tree as GraphML; raise TocsinError where networkx is not installed."""
        import io

        text = io.BytesIO()
        _networkx().write_graphml(self.to_networkx(), text)
        return text.getvalue()

    def __repr__(self) -> str:
        abroad = int((self.table["kind"] != "home").sum())
        return f"<Tree of {len(self.table)} events, {abroad} of them with a parent abroad>"

    def _repr_html_(self) -> str:
        names = ["time", "parent_time"] if "date" in self.table else []
        table = self.table.drop(columns=[*names, "event", "parent_event"])
        return str(table.to_html(index=False, border=0, float_format="{:.2f}".format, na_rep=""))


def _told(row: dict[Any, Any], names: list[str]) -> dict[str, Any]:
    """Return the values of a row that are there, as GraphML can hold them."""
    import pandas as pd

    found = {}
    for name in names:
        value = row.get(name)
        if value is None or pd.isna(value):
            continue
        if isinstance(value, pd.Timestamp):
            value = value.date().isoformat()
        found[name] = value.item() if isinstance(value, np.generic) else value
    return found


def _networkx() -> Any:
    try:
        import networkx
    except ImportError:
        raise TocsinError("graphs need networkx: pip install 'tocsin[graph]'") from None
    return networkx


@dataclass(frozen=True, eq=False)
class Trees:
    """Transmission trees that were drawn.

    Attributes:
        attribution: what they were drawn from.
        events: numbers of the explained events (n,).
        parents: of each tree and event the parent: an event's number, -1 for home, -2 for a state held on entry
            (trees, n).
    """

    attribution: Attribution
    events: Ints
    parents: Ints

    def __len__(self) -> int:
        return int(self.parents.shape[0])

    def summary(self) -> pd.DataFrame:
        """Return what the trees look like: their mean and interval over trees.

        Rows: `from home` (events), `from held states`, `families` (events from home or a held state with
        offspring), `largest family` and `longest chain` (events in them).
        """
        import pandas as pd

        level = self.attribution.level
        values = self._shapes()
        tails = np.quantile(np.stack(list(values.values())), [(1 - level) / 2, (1 + level) / 2], axis=1)
        return pd.DataFrame(
            {
                "mean": [float(each.mean()) for each in values.values()],
                "lower": tails[0],
                "upper": tails[1],
            },
            index=pd.Index(list(values), name="trees"),
        )

    def _shapes(self) -> dict[str, Floats]:
        """Return numbers of each tree; events stand in the order of time, so parents come first."""
        count, size = self.parents.shape
        place = np.full(len(self.attribution.events) + 1, -1)
        place[self.events] = np.arange(size)
        root = np.tile(np.arange(size), (count, 1))
        depth = np.ones((count, size))
        tree = np.arange(count)
        for number in range(size):
            parent = place[np.maximum(self.parents[:, number], -1)]
            inner = (self.parents[:, number] >= 0) & (parent >= 0)
            root[inner, number] = root[tree[inner], parent[inner]]
            depth[inner, number] = depth[tree[inner], parent[inner]] + 1
        family = np.zeros((count, max(size, 1)))
        np.add.at(family, (np.repeat(tree, size), root.ravel()), 1.0)
        return {
            "from home": (self.parents == HOME).sum(axis=1).astype(float),
            "from held states": (self.parents == HELD).sum(axis=1).astype(float),
            "families": (family > 1).sum(axis=1).astype(float),
            "largest family": family.max(axis=1),
            "longest chain": depth.max(axis=1, initial=0.0),
        }

    def __repr__(self) -> str:
        return f"<{len(self)} trees of {self.events.size} events>"


def draw_trees(attribution: Attribution, count: int | None, seed: int) -> Trees:
    """Draw transmission trees; see `Attribution.trees`."""
    check_whole(1, count=1 if count is None else count)
    check_whole(seed=seed)
    options = _options(attribution)
    shares = options.share[:, None] if options.drawn is None else options.drawn
    number = (attribution.draws or TREES) if count is None else int(count)
    events, first = np.unique(options.event, return_index=True)
    rng = np.random.default_rng(seed)
    parents = np.empty((number, events.size), dtype=np.int64)
    node = np.where(options.node >= len(attribution.events), HELD, options.node)
    for tree in range(number):
        share = shares[:, tree % shares.shape[1]]
        heard = np.concatenate([[0.0], np.cumsum(share, dtype=float)])
        end = np.append(first[1:], share.size)
        mark = heard[first] + rng.uniform(size=events.size) * (heard[end] - heard[first])
        place = np.searchsorted(heard, mark, side="right") - 1
        parents[tree] = node[np.clip(place, first, end - 1)]
    return Trees(attribution, events, parents)


def write(attribution: Attribution, folder: Path) -> list[str]:
    """Write all tables and the tree into a folder; see `Attribution.write`."""
    tree = consensus(attribution)
    tables = {
        "causes": attribution.causes,
        "sources": attribution.sources,
        "totals": attribution.total(),
        "offspring": attribution.offspring(),
        "tree": tree.table,
    }
    notes, drawing = [], {}
    try:
        drawing["tree.graphml"] = tree.graphml()
    except TocsinError as error:
        notes.append(f"tree.graphml was left out: {error}")
    write_tables(folder, ATTRIBUTION, tables, more=drawing)
    return notes
