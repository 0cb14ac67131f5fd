"""By what chain of causes a change reached the units: the path of the difference through the ties.

In simulated worlds the cause and the source of every event are known. An event that one of two paired worlds
has and the other lacks differs because the intervention touches it, or because its source, or its own unit,
had come to differ before; so each is followed back to the first events that differ, and these to the
intervention. The path is read off the events; it does not say that each step alone would have sufficed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tocsin.ensemble.spells import codes_of
from tocsin.ensemble.worlds import side_by_side
from tocsin.interventions.intervention import Touched
from tocsin.kernels.tie_order import alone
from tocsin.model.declaration import clauses_of, layers_of
from tocsin.program.parameters import places_in
from tocsin.states import FORCED, parse_clause

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.paired import Paired
    from tocsin.interventions.intervention import Intervention
    from tocsin.program.program import Program

    Ints = NDArray[np.int64]

DIRECT, HOME, UNTRACED = -1, -2, -3  # steps that are no cause: touched itself, its own unit's course, unknown

DIRECTLY, OWN, UNKNOWN = "directly", "own course", "not traced"

SAME = 1e-6  # clock units: two events nearer than this, alike in all else, are one (rounding of clocks)


@dataclass(frozen=True, eq=False)
class Chains:
    """The events that differ between paired worlds, and the paths by which they came to differ.

    Attributes:
        events: one row an event that differs: world, unit, variable, to, time, cause, source, side (`gained`
            with the change, `lost` with it), parent (row of the event that it came from, -1 for none), via
            (`directly`, a cause, `own course`, or `not traced`), path.
        worlds: how many worlds were compared.
        paths: of every number in `path`, the steps from the intervention on: (via, unit).
    """

    events: pd.DataFrame
    worlds: int
    paths: list[tuple[tuple[str, str], ...]]

    def table(
        self,
        variable: str | None = None,
        state: str | None = None,
        most: int = 20,
        label: Callable[[str], str] = str,
        called: Callable[[str], str] = str,
    ) -> pd.DataFrame:
        """Return the commonest paths of the difference, those that end in entries into a state if one is named.

        Parameters:
            variable, state: the state, or all.
            most: how many paths.
            label, called: what a unit and a cause are called in the words of a path.

        Returns:
            DataFrame: path in words, steps, share of worlds in which an event differs along it, events gained
            and lost along it (mean a world); the most frequent first.
        """
        events = self.events
        if variable is not None:
            events = events[events["variable"] == variable]
        if state is not None:
            events = events[events["to"] == state]
        gained = (events["side"] == "gained").to_numpy()
        grouped = pd.DataFrame(
            {
                "path": events["path"].to_numpy(),
                "world": events["world"].to_numpy(),
                "gained": gained,
                "lost": ~gained,
            }
        ).groupby("path")
        table = pd.DataFrame(
            {
                "share": grouped["world"].nunique() / max(self.worlds, 1),
                "gained": grouped["gained"].sum() / max(self.worlds, 1),
                "lost": grouped["lost"].sum() / max(self.worlds, 1),
            }
        )
        table.insert(0, "path", [self.words(int(number), label, called) for number in table.index])
        table.insert(1, "steps", [len(self.paths[int(number)]) for number in table.index])
        order = np.lexsort((table["path"], table["steps"], -table["share"]))
        return table.iloc[order[:most]].reset_index(drop=True)

    def links(self) -> pd.DataFrame:
        """Return along which ties the difference went: source, target, cause, and the share of worlds.

        What the intervention touches itself has no source; what a unit's own course brought on is left out.
        """
        events = self.events[~self.events["via"].isin([OWN, UNKNOWN])]
        parent = events["parent"].to_numpy()
        units = self.events["unit"].to_numpy(dtype=object)
        gone = events["source"].to_numpy(dtype=object).copy()
        gone[(events["via"] == DIRECTLY).to_numpy()] = None
        source = np.where(parent >= 0, units[np.maximum(parent, 0)], gone) if len(units) else gone
        table = pd.DataFrame(
            {
                "source": source,
                "target": events["unit"].to_numpy(dtype=object),
                "cause": events["via"].to_numpy(dtype=object),
                "world": events["world"].to_numpy(),
            }
        )
        counts = table.groupby(["source", "target", "cause"], dropna=False, sort=False)["world"].nunique()
        found = (counts / max(self.worlds, 1)).rename("share").reset_index()
        return found.sort_values(["share", "target"], ascending=[False, True], kind="stable").reset_index(
            drop=True
        )

    def words(self, path: int, label: Callable[[str], str] = str, called: Callable[[str], str] = str) -> str:
        """Return a path as words: 'change → hungary → slovakia (land_border)'."""
        steps = [
            label(unit) + ("" if via == DIRECTLY else f" ({called(via)})") for via, unit in self.paths[path]
        ]
        return " → ".join(["change", *steps])


def chains_of(paired: Paired, program: Program, interventions: Sequence[Intervention]) -> Chains:
    """Follow every event that differs between paired worlds back to the interventions.

    Parameters:
        program: the unchanged program; its ties and those that interventions add say who can reach whom.
    """
    touched = Touched.by(program, interventions)
    reach = _reach(program, interventions)
    tracer = _Tracer(program, touched, reach)
    parts, offset = [], 0
    names: dict[tuple[tuple[int, int], ...], int] = {}
    for first, here, there in side_by_side(paired.changed, paired.unchanged):
        part = tracer.trace(here, there, names)
        part["world"] += first
        part.loc[part["parent"] >= 0, "parent"] += offset
        offset += len(part)
        parts.append(part)
    events = pd.concat(parts, ignore_index=True) if parts else tracer.empty()
    units, vias = program.history.numbers.units, tracer.via_names
    paths = [tuple((vias[via], units[unit]) for via, unit in steps) for steps in names]
    return Chains(tracer.named(events), paired.worlds, paths)


def _reach(program: Program, interventions: Sequence[Intervention]) -> list[Any]:
    """Return for every cause the units that may reach each unit: (first, sources), by target; None at home."""
    from scipy.sparse import coo_array

    from tocsin.interventions.altered import Altered

    numbers, now = program.history.numbers, Altered.of(program.history)
    for it in interventions:
        now = it.alter(now)
    count = len(numbers.units)
    found: list[Any] = []
    for _, cause in program.causes:
        layers = layers_of(cause)
        if not layers:
            found.append(None)
            continue
        tied = [side.ties[layer] for side in (numbers, now.numbers) for layer in layers if layer in side.ties]
        source = [unit for ties in tied for unit in ties.source.tolist()]
        target = [unit for ties in tied for unit in ties.target.tolist()]
        table = coo_array((np.ones(len(source)), (target, source)), shape=(count, count)).tocsr()
        found.append((table.indptr, table.indices))
    return found


class _Tracer:
    """Events that differ, and what each came from, of one piece of two ensembles."""

    def __init__(self, program: Program, touched: Touched, reach: list[Any]) -> None:
        self.program, self.touched, self.reach = program, touched, reach
        self.units = program.history.numbers.units
        self.variables = program.model.variables
        self.causes = list(dict.fromkeys([*(cause.name for _, cause in program.causes), FORCED]))
        self.number = self._numbers()
        self.heard = [
            [
                program.joint.index(name)
                for clause in clauses_of(cause)
                for name in parse_clause(clause, program.model.by_name)
            ]
            for _, cause in program.causes
        ]
        self.via_names = {number: cause.name for number, (_, cause) in enumerate(program.causes)}
        self.via_names |= {DIRECT: DIRECTLY, HOME: OWN, UNTRACED: UNKNOWN}

    def _numbers(self) -> Ints:
        """Return the number of a cause by variable, states left and entered, and name; -1 for none."""
        most = max(len(variable.states) for variable in self.variables)
        table = np.full((len(self.variables), most, most, len(self.causes)), -1, dtype=np.int64)
        for number, (move, cause) in enumerate(self.program.causes):
            variable = self.program.model.by_name[move.variable]
            place = self.program.joint.index(move.variable)
            for origin in move.origin:
                key = (place, variable.code(origin), variable.code(move.to), self.causes.index(cause.name))
                table[key] = number
        return table

    def columns(self, table: pa.Table, side: int) -> dict[str, Ints]:
        """Return the events of one side as codes."""
        states = [list(variable.states) for variable in self.variables]
        every = list(dict.fromkeys(state for each in states for state in each))
        code = np.full((len(states), len(every) + 1), 0, dtype=np.int64)
        for place, each in enumerate(states):
            code[place, [every.index(state) for state in each]] = np.arange(len(each))
        variable = codes_of(table["variable"], [each.name for each in self.variables]).astype(np.int64)
        left, entered = (code[variable, codes_of(table[name], every)] for name in ("from", "to"))
        name = codes_of(table["cause"], self.causes).astype(np.int64)
        source = codes_of(table["source"], self.units).astype(np.int64)
        cause = self.number[variable, left, entered, name]
        return {
            "world": table["world"].to_numpy().astype(np.int64),
            "unit": codes_of(table["unit"], self.units).astype(np.int64),
            "variable": variable,
            "to": entered,
            "time": table["time"].to_numpy(),
            "cause": cause,
            "source": source,
            "side": np.full(table.num_rows, side, dtype=np.int64),
        }

    def differing(self, here: Ensemble, there: Ensemble) -> dict[str, Ints]:
        """Return the events that only one side has, in the order of world and time."""
        sides = [self.columns(here.events, 1), self.columns(there.events, 0)]
        width = len(self.units) * len(self.variables) * 64
        lists = []
        for events in sides:
            place = (events["unit"] * len(self.variables) + events["variable"]) * 64 + events["to"]
            cause = (events["cause"] + 1) * (len(self.units) + 1) + events["source"] + 1
            events["key"] = events["world"] * width + place
            lists.append((events["world"], events["time"], cause * width + place))
        # Most events are shared to the bit; the others are few enough to be sorted.
        for events, mask in zip(sides, alone(*lists[0], *lists[1]), strict=True):
            events.update({name: values[mask] for name, values in events.items()})
        both = {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}
        key = both.pop("key")
        order = np.lexsort((both["side"], both["time"], key))
        key, time, side = key[order], both["time"][order], both["side"][order]
        cause, source = both["cause"][order], both["source"][order]
        twins = (key[1:] == key[:-1]) & (side[1:] != side[:-1]) & (time[1:] - time[:-1] <= SAME)
        twins &= (cause[1:] == cause[:-1]) & (source[1:] == source[:-1])
        single = np.ones(key.size, dtype=bool)
        single[1:][twins] = False
        single[:-1][twins] = False
        kept = order[single]
        kept = kept[np.lexsort((both["side"][kept], both["time"][kept], both["world"][kept]))]
        return {name: values[kept] for name, values in both.items()}

    def trace(self, here: Ensemble, there: Ensemble, names: dict[Any, int]) -> pd.DataFrame:
        """Return the events that differ with what each came from, and number their paths in `names`."""
        e = self.differing(here, there)
        count = e["time"].size
        if not count:
            return self.empty()
        rank = np.unique(e["time"], return_inverse=True)[1].astype(np.int64)
        look = _Before(e["world"], e["unit"], rank, len(self.units))
        by_variable = {
            place: _Before(e["world"], e["unit"], rank, len(self.units), e["variable"] == place)
            for place in range(len(self.variables))
        }
        cause, source, unit = e["cause"], e["source"], e["unit"]
        direct = (cause >= 0) & (self.touched.cause[np.maximum(cause, 0), unit] <= e["time"])
        direct |= cause < 0
        own = look(e["world"], unit, rank)
        from_source = np.full(count, -1)
        for number, heard in enumerate(self.heard):
            rows = np.flatnonzero((cause == number) & (source >= 0) & ~direct)
            for place in heard:
                latest = by_variable[place](e["world"][rows], source[rows], rank[rows])
                from_source[rows] = np.maximum(from_source[rows], latest)
        # Rows stand in the order of time, so the later of two events is the greater number.
        parent = np.where(direct, -1, np.maximum(own, from_source))
        via = np.where(direct, DIRECT, np.where(from_source > own, cause, HOME))
        via[~direct & (parent < 0)] = UNTRACED
        removed = (via == UNTRACED) & (source >= 0) & (self.touched.unit[source] <= e["time"])
        barred = (via == UNTRACED) & (self.touched.state[unit, e["variable"]] <= e["time"])
        via[barred] = DIRECT
        self._through_others(e, rank, by_variable, parent, via)
        via[removed] = cause[removed]  # its source is not there, which no event tells
        path = self._paths(e, parent, via, removed, names)
        return pd.DataFrame({**e, "parent": parent, "via": via, "path": path})

    def _through_others(
        self, e: dict[str, Ints], rank: Ints, look: dict[int, _Before], parent: Ints, via: Ints
    ) -> None:
        """Find for events whose hazard others changed the latest of those that are tied to them."""
        for number, reach in enumerate(self.reach):
            rows = np.flatnonzero((via == UNTRACED) & (e["cause"] == number))
            if reach is None or not rows.size:
                continue
            first, sources = reach
            sizes = np.diff(first)[e["unit"][rows]]
            again = np.repeat(rows, sizes)
            neighbour = sources[first[e["unit"][again]] + places_in(sizes)].astype(np.int64)
            best = np.full(e["time"].size, -1)
            for variable in self.heard[number]:
                np.maximum.at(best, again, look[variable](e["world"][again], neighbour, rank[again]))
            found = rows[best[rows] >= 0]
            parent[found], via[found] = best[found], number

    def _paths(
        self, e: dict[str, Ints], parent: Ints, via: Ints, removed: NDArray[np.bool_], names: dict[Any, int]
    ) -> Ints:
        """Number the path of every event; what a unit's own course brings on goes on along its path."""
        depth = np.zeros(parent.size, dtype=np.int64)
        ahead = parent.copy()
        while (ahead >= 0).any():
            moving = ahead >= 0
            depth[moving] += 1
            ahead[moving] = parent[ahead[moving]]
        path = np.full(parent.size, -1)
        steps = list(names)
        width = len(self.units)
        for level in range(int(depth.max(initial=0)) + 1):
            rows = np.flatnonzero(depth == level)
            before = np.where(parent[rows] >= 0, path[np.maximum(parent[rows], 0)], -1)
            home = via[rows] == HOME
            path[rows[home]] = before[home]
            rows, before = rows[~home], before[~home]
            code = (via[rows] + 3) * width + e["unit"][rows]
            gone = np.where(removed[rows], e["source"][rows], -1)
            unique, inverse = np.unique(np.stack([before, code, gone]), axis=1, return_inverse=True)
            numbers = np.empty(unique.shape[1], dtype=np.int64)
            for place, (earlier, step, absent) in enumerate(unique.T.tolist()):
                whole = (steps[earlier] if earlier >= 0 else ()) if absent < 0 else ((DIRECT, absent),)
                whole = (*whole, (step // width - 3, step % width))
                if whole not in names:
                    names[whole] = len(steps)
                    steps.append(whole)
                numbers[place] = names[whole]
            path[rows] = numbers[inverse.ravel()]
        return path

    def empty(self) -> pd.DataFrame:
        """Return a table without events."""
        columns = (
            "world",
            "unit",
            "variable",
            "to",
            "time",
            "cause",
            "source",
            "side",
            "parent",
            "via",
            "path",
        )
        return pd.DataFrame({name: np.zeros(0, dtype=float if name == "time" else int) for name in columns})

    def named(self, events: pd.DataFrame) -> pd.DataFrame:
        """Return events with names in the place of codes."""
        units = np.array([*self.units, None], dtype=object)
        states = np.full((len(self.variables), 64), None, dtype=object)
        for place, each in enumerate(self.variables):
            states[place, : len(each.states)] = each.states
        causes = np.array([*(cause.name for _, cause in self.program.causes), FORCED], dtype=object)
        variable = events["variable"].to_numpy()
        vias = np.array([self.via_names[key] for key in events["via"]], dtype=object)
        return events.assign(
            unit=units[events["unit"]],
            variable=np.array([each.name for each in self.variables], dtype=object)[variable],
            to=states[variable, events["to"]],
            cause=causes[events["cause"]],
            source=units[events["source"]],
            side=np.where(events["side"] == 1, "gained", "lost"),
            via=vias,
        )


class _Before:
    """The latest event of a unit before another, in one world; -1 where there is none."""

    def __init__(
        self, world: Ints, unit: Ints, rank: Ints, units: int, chosen: NDArray[np.bool_] | None = None
    ) -> None:
        self.units, self.span = units, int(rank.max(initial=0)) + 2
        rows = np.arange(world.size) if chosen is None else np.flatnonzero(chosen)
        key = self._key(world[rows], unit[rows], rank[rows])
        order = np.argsort(key, kind="stable")
        self.key, self.row = key[order], rows[order]

    def _key(self, world: Ints, unit: Ints, rank: Ints) -> Ints:
        key: Ints = (world * self.units + unit) * self.span + rank
        return key

    def __call__(self, world: Ints, unit: Ints, rank: Ints) -> Ints:
        if not self.key.size:
            return np.full(world.size, -1)
        place = np.searchsorted(self.key, self._key(world, unit, rank), side="left") - 1
        inside = place >= 0
        inside &= self.key[np.maximum(place, 0)] >= self._key(world, unit, np.zeros_like(rank))
        return np.where(inside, self.row[np.maximum(place, 0)], -1)
