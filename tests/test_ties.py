"""Builders of ties: who acts on whom is said, and nothing is mirrored that was not asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tocsin as tc

UNITS = pd.DataFrame(
    {
        "unit": ["a", "b", "c", "d"],
        "lat": [0.0, 0.0, 0.0, 10.0],
        "lon": [0.0, 1.0, 2.5, 0.0],
        "people": [1, 2, 3, 4],
    }
)
DEGREE = 2 * np.pi * 6371.0088 / 360  # km along the equator


def arrows(ties: pd.DataFrame) -> list[str]:
    return [f"{row.source}>{row.target}" for row in ties.itertuples()]


def test_the_nearest_act_on_the_target() -> None:
    assert arrows(tc.ties.nearest(UNITS, 1)) == ["b>a", "a>b", "b>c", "a>d"]
    assert len(tc.ties.nearest(UNITS, 3)) == 12
    assert "nearest to the target acts on it" in tc.ties.nearest(UNITS, 1).attrs["direction"]
    equal = pd.DataFrame({"unit": ["z", "m", "a"], "lat": [0.0, 0.0, 0.0], "lon": [1.0, 0.0, -1.0]})
    assert "a>m" in arrows(tc.ties.nearest(equal, 1))  # as near as z, and first by name
    with pytest.raises(tc.TocsinError, match="there are 4 units"):
        tc.ties.nearest(UNITS, 4)


def test_within_reach_and_weights_that_fall_with_distance() -> None:
    assert arrows(tc.ties.within(UNITS, 120)) == ["a>b", "b>a"]
    inverse = tc.ties.inverse_distance(UNITS, 2, cutoff=200)
    assert np.allclose(inverse["weight"], [DEGREE**-2] * 2 + [(1.5 * DEGREE) ** -2] * 2)
    gravity = tc.ties.gravity(UNITS, "people", cutoff=200)
    assert np.allclose(gravity["weight"], np.array([2, 2, 6, 6]) * inverse["weight"])
    there = tc.ties.inverse_distance(
        pd.DataFrame({"unit": ["p", "q"], "lat": [0, 0], "lon": [179.5, -179.5]})
    )
    assert there["weight"][0] == pytest.approx(1 / DEGREE)  # across the date line
    same = pd.concat([UNITS, UNITS.iloc[:1].assign(unit="e")])
    with pytest.raises(tc.TocsinError, match="'a' and 'e' stand at one place"):
        tc.ties.inverse_distance(same)
    assert np.isfinite(tc.ties.inverse_distance(same, floor=50)["weight"]).all()
    with pytest.raises(tc.TocsinError, match="1 unit has no number in 'lat': b"):
        tc.ties.within(UNITS.assign(lat=[0, None, 0, 0]), 5)
    with pytest.raises(tc.TocsinError, match="no 'people' above zero"):
        tc.ties.gravity(UNITS.assign(people=0), "people")
    with pytest.raises(tc.TocsinError, match="degrees are wanted"):
        tc.ties.within(UNITS.assign(lat=5000.0), 5)


def test_what_units_share() -> None:
    shared = tc.ties.shared(UNITS.assign(language=["fr", "fr", None, "NA"]), "language")
    assert arrows(shared) == ["a>b", "b>a"] and set(shared["layer"]) == {"language"}
    with pytest.raises(tc.TocsinError, match="no two units have the same"):
        tc.ties.shared(UNITS, "people")
    with pytest.raises(tc.TocsinError, match="'a' stands in several rows"):
        tc.ties.shared(pd.concat([UNITS, UNITS]), "people")


def pairs(once: bool = True) -> pd.DataFrame:
    found = pd.DataFrame(
        {
            "source": [2, 2, 2, 2],
            "target": [20, 20, 20, 40],
            "type": [1, 1, 1, 4],
            "start": ["1990-01-01", "1991-01-01", "1995-01-01", None],
            "end": ["1990-12-31", "1991-12-31", "1995-12-31", None],
        }
    )
    other = found.rename(columns={"source": "target", "target": "source"})
    return found if once else pd.concat([found, other], ignore_index=True)


def test_pairs_listed_once_are_mirrored_only_if_asked() -> None:
    with pytest.raises(
        tc.TocsinError,
        match="1 of 1 contiguous pairs of type 1 are listed in one direction only, such as 2 -> 20",
    ):
        tc.ties.contiguity(pairs())
    one, both = tc.ties.contiguity(pairs(), mirror=False), tc.ties.contiguity(pairs(), mirror=True)
    assert arrows(one) == ["2>20", "2>20"] and arrows(both) == ["2>20", "2>20", "20>2", "20>2"]
    assert one["end"].dt.year.tolist() == [1991, 1995]  # years that follow on each other are one tie
    assert arrows(tc.ties.contiguity(pairs(once=False))) == arrows(both)
    assert arrows(tc.ties.contiguity(pairs(once=False), mirror=True)) == arrows(both)
    assert len(tc.ties.contiguity(pairs(), types=[1, 4], mirror=False)) == 3
    with pytest.raises(tc.TocsinError, match="0 is not contiguous"):
        tc.ties.contiguity(pairs(), types=[0, 1])
    with pytest.raises(tc.TocsinError, match="there are no contiguous pairs of type 3"):
        tc.ties.contiguity(pairs(), types=[3])
    for unread in ("contdir.csv", pd.DataFrame({"statelno": [2], "statehno": [20], "conttype": [1]})):
        with pytest.raises(tc.TocsinError, match=r"such as tc.read\('contdir.csv'\).*no column 'type'"):
            tc.ties.contiguity(unread)


def test_ties_go_into_a_history() -> None:
    ties = tc.ties.contiguity(pairs(), types=[1, 4], mirror=True)
    state = tc.StateVariable("r", ["old", "new"])
    units = pd.DataFrame({"unit": [2, 20, 40]})
    history = tc.History(units=units, ties=ties, variables=[state], window=("1980-01-01", "1999-12-31"))
    assert len(history.ties) == 6 and history.layers == {"contiguity": None}


def test_any_list_of_pairs() -> None:
    years = pd.DataFrame(
        {"ego": ["x"] * 3, "friend": ["y"] * 3, "year": [1990, 1991, 1993], "w": [1.0, 1.0, 2.0]}
    )
    ties = tc.ties.from_pairs(years, "advice", source="friend", target="ego", weight="w", year="year")
    assert arrows(ties) == ["y>x", "y>x"] and ties["start"].dt.year.tolist() == [1990, 1993]
    assert ties.attrs["direction"] == "friend acts on ego"
    steps = tc.ties.from_pairs(years, "advice", source="ego", target="friend", start="year", end="year")
    assert steps["start"].tolist() == [1990, 1991, 1993]
    assert (
        len(tc.ties.from_pairs(years, "advice", source="ego", target="friend", year="year", mirror=True)) == 4
    )
    with pytest.raises(tc.TocsinError, match="source='egoo'.*did you mean 'ego'"):
        tc.ties.from_pairs(years, "advice", source="egoo", target="friend")
    with pytest.raises(tc.TocsinError, match="weight='w': 1 of 3 cells are no numbers, first '1,5' in row 2"):
        tc.ties.from_pairs(years.assign(w=[1, "1,5", 2]), "advice", source="ego", target="friend", weight="w")
    with pytest.raises(tc.TocsinError, match="lead from a unit to itself"):
        tc.ties.from_pairs(years, "advice", source="ego", target="ego")


def test_graphs_and_matrices() -> None:
    networkx = pytest.importorskip("networkx")
    from scipy import sparse

    graph = networkx.DiGraph([("a", "b")])
    assert arrows(tc.ties.from_graph(graph, "g")) == ["a>b"]
    assert arrows(tc.ties.from_graph(graph.to_undirected(), "g")) == ["a>b", "b>a"]
    matrix = np.array([[0.0, 2.0], [0.0, 0.0]])
    for given in (matrix, sparse.csr_array(matrix), pd.DataFrame(matrix, ["a", "b"], ["a", "b"])):
        units = None if isinstance(given, pd.DataFrame) else ["a", "b"]
        assert arrows(tc.ties.from_matrix(given, "m", rows="source", units=units)) == ["a>b"]
        assert arrows(tc.ties.from_matrix(given, "m", rows="target", units=units)) == ["b>a"]
    turned = pd.DataFrame(matrix, ["a", "b"], ["a", "b"])[["b", "a"]]
    assert arrows(tc.ties.from_matrix(turned, "m", rows="source")) == ["a>b"]
    with pytest.raises(tc.TocsinError, match="say 'source'"):
        tc.ties.from_matrix(matrix, "m", rows="row", units=["a", "b"])
    with pytest.raises(tc.TocsinError, match="the matrix is 2 x 2, and there are 3 units"):
        tc.ties.from_matrix(matrix, "m", rows="source", units=["a", "b", "c"])
    with pytest.raises(tc.TocsinError, match="no weights of at least 0: -2.0 in row 'a', column 'b'"):
        tc.ties.from_matrix(-matrix, "m", rows="source", units=["a", "b"])
    with pytest.raises(tc.TocsinError, match="a dict is no graph"):
        tc.ties.from_graph({}, "g")


def square(x: float, y: float, name: str) -> dict[str, object]:
    ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
    return {
        "type": "Feature",
        "properties": {"name": name},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def test_outlines_that_touch() -> None:
    pytest.importorskip("shapely")
    three = {
        "type": "FeatureCollection",
        "features": [square(0, 0, "a"), square(1, 0, "b"), square(1, 1, "c")],
    }
    assert arrows(tc.ties.from_polygons(three, unit="name")) == ["a>b", "b>a", "b>c", "c>b"]
    assert len(tc.ties.from_polygons(three, unit="name", corners=True)) == 6
    apart = {"type": "FeatureCollection", "features": [square(0, 0, "a"), square(1.01, 0, "b")]}
    assert not len(tc.ties.from_polygons(apart, unit="name"))
    assert len(tc.ties.from_polygons(apart, unit="name", gap=0.02)) == 2
    with pytest.raises(tc.TocsinError, match="feature 1 has no property 'nam'.*did you mean 'name'"):
        tc.ties.from_polygons(three, unit="nam")
