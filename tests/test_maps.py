"""Maps: outlines and borders, projections against Vega's own, what is drawn, said and saved."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert
from helpers.small_wave import REGIME, wave

import tocsin as tc
from tocsin.charts.parts import save_chart
from tocsin.charts.svg import COLOURS, svg_of
from tocsin.ensemble.standing import changed, standings_of
from tocsin.errors import HistoryError, TocsinError
from tocsin.history.borders import match_units, read_borders
from tocsin.history.history import load_history
from tocsin.maps.arcs import arc_map, chosen_arcs, great_circle
from tocsin.maps.geometry import borders, cut_at, cut_dates, present_day, signed_area
from tocsin.maps.map import border_map, difference_map, map_at
from tocsin.maps.projection import projection_of
from tocsin.maps.sheet import Sheet

REPO = Path(__file__).resolve().parent.parent
CUTS = ["1914-07-01", "1917-03-01", "1918-04-01", "1919-04-15", "1920-08-01", "1922-06-01", "1923-12-31"]
PLACES = {
    "hungary": (19.0, 47.5, "HUN"),
    "bavaria": (11.6, 48.1, "DEU"),
    "austria": (16.4, 48.2, "AUT"),
    "slovakia": (21.2, 49.0, "SVK"),
    "italy": (12.5, 41.9, "ITA"),
}
LIGHT = {light.casefold() for light, _ in COLOURS.values()}


@pytest.fixture(scope="module")
def record() -> tc.History:
    return load_history("1917")


@pytest.fixture(scope="module")
def placed() -> tuple[tc.History, Any]:
    """The small wave with places and codes, and its model with values."""
    history, given = wave()
    units = history.units
    for column, number in (("lon", 0), ("lat", 1), ("iso3", 2)):
        units[column] = [PLACES[unit][number] for unit in units["unit"].astype(str)]
    frames = {"units": units, "events": history.events, "ties": history.ties}
    return tc.History(
        **frames, variables=history.variables, window=history.window, layers=["border"], name="small"
    ), given


def squares(**properties: Any) -> dict[str, Any]:
    """Two squares as GeoJSON, one wound either way."""
    ring = [[10, 45], [12, 45], [12, 47], [10, 47], [10, 45]]
    other = [[x + 3, y] for x, y in reversed(ring)]
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "HUNGARY"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            },
            {
                "type": "Feature",
                "properties": {"name": "Österreich", "id": "austria", **properties},
                "geometry": {"type": "MultiPolygon", "coordinates": [[other]]},
            },
        ],
    }


def folder_with(history: tc.History, folder: Path, content: Any, name: str = "own.geojson") -> Path:
    """Write a history whose borders are a file with this content."""
    history.write(folder)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    head = folder / "history.toml"
    head.write_text(f'borders = "{name}"\n' + head.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


# --- outlines and borders -------------------------------------------------------------------------------


def test_cuts_of_1917_are_seven_and_small(record: tc.History) -> None:
    assert [str(day) for day in cut_dates(record)] == CUTS
    assert record.borders_path is not None
    assert len(gzip.compress(record.borders_path.read_bytes(), 9)) < 400_000


@pytest.mark.parametrize("when", [*CUTS, "1919-03-21", "1920-04-06", "1922-11-15", "1922-11-16"])
def test_every_unit_of_1917_is_drawn_as_area_or_mark(record: tc.History, when: str) -> None:
    sheet = Sheet(record, when, "world", 700)
    assert sheet.missing == set()
    assert set(sheet.marks) == {"bremen", "hamburg"}
    assert {"bavaria", "alsace", "braunschweig", "luxembourg", "khiva"} <= set(sheet.rings)
    assert ("far_eastern_republic" in sheet.drawn) == ("1920-04-06" <= when <= "1922-11-15")


def test_the_nearest_cut_is_taken_and_named(record: tc.History) -> None:
    assert borders(record, "1919-03-21")[1] == date(1919, 4, 15)
    assert cut_at(record, "1910-01-01").date == date(1914, 7, 1)
    assert cut_at(record, "1930-01-01").note == "Borders of 31 December 1923"
    halfway = date(1920, 8, 1) + (date(1922, 6, 1) - date(1920, 8, 1)) / 2
    assert borders(record, halfway)[1] == date(1920, 8, 1)


def test_borders_change_with_time(record: tc.History) -> None:
    def of(when: str, unit: str) -> set[str]:
        return {f["properties"]["state"] for f in borders(record, when)[0] if f["properties"]["unit"] == unit}

    assert of("1914-07-01", "alsace") == {"germany"}
    assert of("1919-04-15", "alsace") == {"france"}
    assert of("1914-07-01", "finland") == {"russia"}
    assert of("1923-12-31", "finland") == {"finland"}


def test_rings_are_wound_so_that_land_is_inside(record: tc.History) -> None:
    plain = tc.History({"unit": ["fiji", "russia"]}, variables=[REGIME], window=(0, 1))
    for features in (borders(record, "1914-07-01")[0], borders(plain)[0]):
        for feature in features:
            for face in feature["geometry"]["coordinates"]:
                areas = [signed_area(np.asarray(ring)) for ring in face]
                assert areas[0] < 0 and all(area > 0 for area in areas[1:])


def test_each_line_has_its_line_and_its_source() -> None:
    folder = REPO / "src" / "tocsin" / "histories" / "1917" / "borders"
    lines = json.loads((folder / "lines.geojson").read_text(encoding="utf-8"))["features"]
    assert len(lines) == 101
    for line in lines:
        about = line["properties"]
        assert about["source"] and about["basis"] and about["from_date"] and about["precision_km"]


def test_present_day_outlines_are_labelled_as_such(placed: tuple[tc.History, Any]) -> None:
    history, _ = placed
    cut = cut_at(history, "1919-03-21")
    assert cut.date is None and "not the borders of the time" in cut.note
    assert cut.units == {"hungary", "austria", "slovakia", "italy", "bavaria"}  # a single unit claims DEU
    assert len(present_day()["objects"]["countries"]["geometries"]) == 240


def test_units_are_matched_by_name_before_code() -> None:
    features = [{"properties": {"name": "Germany", "iso3": "DEU"}}, {"properties": {"name": "Côte d'Ivoire"}}]
    units = [
        ("germany", "Germany (Prussia)", "DEU"),
        ("bavaria", "Bavaria", "DEU"),
        ("cote_d_ivoire", None, None),
    ]
    assert match_units(features, units) == ["germany", "cote_d_ivoire"]
    assert match_units([{"properties": {"iso3": "DEU"}}], units) == [None]  # two claim it
    explicit = [{"properties": {"unit": "bavaria", "name": "Germany"}}, {"properties": {"name": "Germany"}}]
    assert match_units(explicit, units) == ["bavaria", None]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("shapely")
    monkeypatch.syspath_prepend(str(REPO / "scripts"))


def test_packaged_borders_are_what_lines_and_recipes_give(scripts: None) -> None:
    script = REPO / "scripts" / "make_borders_1917.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_overlap_with_yardsticks_is_as_published(scripts: None, record: tc.History, shared: Path) -> None:
    from cartography.measure import against_yardsticks, flaws

    assert record.borders_path is not None
    topology = json.loads(record.borders_path.read_text(encoding="utf-8"))
    home = shared / "facts" / "borders" / "1917"
    yardsticks = json.loads((home / "yardsticks.json").read_text(encoding="utf-8"))
    table = pd.read_csv(home / "iou.csv")
    known = {
        (row.cut, row.name_, row.yardstick): row.iou
        for row in table.rename(columns={"name": "name_"}).itertuples()
    }
    rows = against_yardsticks(topology, yardsticks, [home, shared / "data" / "borders"])
    assert len(rows) >= 17
    for row in rows:
        assert row["iou"] == pytest.approx(known[row["cut"], row["name"], row["yardstick"]], abs=0.002)
    assert sum(row["iou"] >= 0.9 for row in rows) >= 16  # Montenegro's file differs in kind
    assert flaws(topology, "borders_1919-04-15") == (0, 0.0)


# --- a user's own file ----------------------------------------------------------------------------------


def test_own_geojson_takes_the_place_of_outlines(placed: tuple[tc.History, Any], tmp_path: Path) -> None:
    history = load_history(folder_with(placed[0], tmp_path / "h", squares()))
    features, day = borders(history, "1919-03-21")
    assert [each["properties"]["unit"] for each in features] == ["hungary", "austria"]
    assert day is None
    assert all(signed_area(np.asarray(each["geometry"]["coordinates"][0][0])) < 0 for each in features)
    chart = map_at(history, "regime", "soviet", "1919-03-21").to_dict()
    assert "Borders: own.geojson" in " ".join(chart["title"]["subtitle"])
    assert history.select(units=["hungary"]).borders_path == history.borders_path
    history.write(tmp_path / "again")
    again = load_history(tmp_path / "again")
    assert again.borders_path is not None and again.borders_path.parent == tmp_path / "again"
    assert cut_at(again).units == {"hungary", "austria"}


def test_features_of_a_file_may_have_their_days(placed: tuple[tc.History, Any], tmp_path: Path) -> None:
    content = squares(start="1919-06-01", end="1919-07-31")
    history = load_history(folder_with(placed[0], tmp_path / "h", content))
    assert cut_at(history, "1919-05-31").units == {"hungary"}
    assert cut_at(history, "1919-07-31").units == {"hungary", "austria"}


def spoiled(change: str) -> Any:
    data = squares()
    first = data["features"][0]
    ring = first["geometry"]["coordinates"][0]
    if change == "metres":
        ring[1] = [1_250_000.0, 6_000_000.0]
    elif change == "open":
        ring[-1] = [10, 45.5]
    elif change == "short":
        del ring[2:]
    elif change == "point":
        first["geometry"] = {"type": "Point", "coordinates": [10, 45]}
    elif change == "text":
        ring[1] = ["ten", 45]
    elif change == "nan":
        ring[1] = [float("nan"), 45]
    elif change == "crs":
        data["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    elif change == "strangers":
        for each in data["features"]:
            each["properties"] = {"name": "Atlantis"}
    elif change == "empty":
        data["features"] = []
    elif change == "list":
        return []
    elif change == "kind":
        data["type"] = "Features"
    elif change == "arcs":
        return {
            "type": "Topology",
            "arcs": [],
            "objects": {"a": {"geometries": [{"type": "Polygon", "arcs": [[3]]}]}},
        }
    return data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("metres", "feature 1 (HUNGARY): a position is [longitude, latitude] in degrees"),
        ("open", "a ring ends where it began"),
        ("short", "a ring has four positions or more"),
        ("point", "an outline is a Polygon or a MultiPolygon ('Point')"),
        ("text", "a position is [longitude, latitude]"),
        ("nan", "in degrees"),
        ("crs", "coordinates must be longitude and latitude in degrees"),
        ("strangers", 'none of the 2 features of own.geojson belongs to a unit: give them a property "unit"'),
        ("empty", "there is no feature"),
        ("list", "this is no GeoJSON"),
        ("kind", "this is no GeoJSON of areas"),
        ("arcs", "an arc beyond the 0 that there are"),
    ],
)
def test_wrong_outlines_are_refused_in_words(
    placed: tuple[tc.History, Any], tmp_path: Path, change: str, words: str
) -> None:
    folder = folder_with(placed[0], tmp_path / "h", spoiled(change))
    with pytest.raises(HistoryError, match=re.escape(words)) as caught:
        load_history(folder)
    assert "own.geojson" in str(caught.value)


def test_broken_json_and_missing_files_are_placed(placed: tuple[tc.History, Any], tmp_path: Path) -> None:
    folder = folder_with(placed[0], tmp_path / "h", '{"type":\n"FeatureCollection",\n"features": [}')
    with pytest.raises(HistoryError, match=r"own\.geojson, line 3: broken JSON"):
        load_history(folder)
    (folder / "own.geojson").rename(folder / "owm.geojson")
    with pytest.raises(
        HistoryError, match=r"history\.toml, line 1, column borders: there is no such file.*owm"
    ):
        load_history(folder)
    with pytest.raises(HistoryError, match="cannot be read"):
        read_borders(tmp_path / "nowhere.geojson")


def test_shared_files_can_be_used(placed: tuple[tc.History, Any], tmp_path: Path, shared: Path) -> None:
    for name, unit in (("europe_1848_histogis_ne", "france"), ("europe_1914_histogis_ne", "france")):
        path = shared / "data" / "borders" / f"{name}.geojson"
        history = tc.History(
            {"unit": ["france", "portugal"], "lon": [2.35, -9.1], "lat": [48.9, 38.7]},
            events={"unit": ["france"], "variable": ["regime"], "state": ["soviet"], "time": ["1848-02-24"]},
            variables=[REGIME],
            window=("1848-01-01", "1849-12-31"),
            borders_path=path,
        )
        cut = cut_at(history, "1848-03-01")
        assert unit in cut.units and len(cut.features) > 25
        svg = svg_of(map_at(history, "regime", "soviet", "1848-03-01", view="europe").to_dict())
        assert f"Borders: {name}.geojson" in svg


# --- projections ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["europe", "world", (30.0, -20.0, 60.0, 20.0), (-120.0, 15.0, -60.0, 50.0)])
def test_projections_are_those_of_vega(record: tc.History, view: Any) -> None:
    projection = projection_of(record, view, 640)
    places = [[13.4, 52.5], [37.6, 55.8], [-9.1, 38.7], [40.0, 10.0], [-75.0, 45.0]]
    seen = [p for p in places if projection.inside(projection.pixels([p]))[0]]
    data = [{"lon": lon, "lat": lat} for lon, lat in seen]
    spec = {
        "width": projection.width,
        "height": projection.height,
        "projection": projection.spec,
        "data": {"values": data},
        "mark": "circle",
        "encoding": {
            "longitude": {"field": "lon", "type": "quantitative"},
            "latitude": {"field": "lat", "type": "quantitative"},
        },
    }
    svg = vl_convert.vegalite_to_svg(spec)
    drawn = [tuple(map(float, pair)) for pair in re.findall(r'translate\(([-\d.]+),([-\d.]+)\)" d="', svg)]
    assert seen and np.allclose(drawn, projection.pixels(seen), atol=0.01)


def test_projections_keep_areas(record: tc.History) -> None:
    projection = projection_of(record, "europe", 700)
    sizes = []
    for lon, lat in ((-5.0, 40.0), (30.0, 60.0), (20.0, 45.0)):
        step = 0.01
        corners = projection.pixels([[lon, lat], [lon + step, lat], [lon, lat + step]])
        (ax, ay), (bx, by) = corners[1] - corners[0], corners[2] - corners[0]
        sizes.append(abs(ax * by - ay * bx) / np.cos(np.radians(lat + step / 2)))
    assert np.allclose(sizes, sizes[0], rtol=1e-3)


def test_the_view_suits_the_history(record: tc.History) -> None:
    assert projection_of(record, None, 700).name == "europe"
    assert projection_of(record, "units", 700).name == "world"
    with pytest.raises(TocsinError, match="did you mean 'world'"):
        projection_of(record, "wold", 700)
    with pytest.raises(TocsinError, match="west, south, east, north"):
        projection_of(record, (10.0, 60.0, 20.0, 40.0), 700)
    nowhere = tc.History({"unit": ["a"]}, variables=[REGIME], window=(0, 1))
    with pytest.raises(TocsinError, match="does not say where its units lie"):
        projection_of(nowhere, None, 700)


# --- maps -----------------------------------------------------------------------------------------------


def told(chart: Any) -> dict[str, dict[str, Any]]:
    """What a chart's areas and marks know of their units."""
    found: dict[str, dict[str, Any]] = {}
    for data in chart.to_dict()["datasets"].values():
        for row in json.loads(data) if isinstance(data, str) else data:
            about = row.get("properties") or {}
            if about.get("unit"):
                found[about["unit"]] = about
    return found


def test_a_map_of_the_record(record: tc.History) -> None:
    chart = map_at(record, "regime", "soviet", "1919-03-21", view="world")
    inked = {unit for unit, about in told(chart).items() if about.get("inked")}
    held = {
        unit for unit, each in standings_of(record, "regime", "soviet", "1919-03-21").items() if each.observed
    }
    assert inked == held and {"russia", "hungary"} <= held
    # What happens on a day is seen at its end.
    assert "hungary" not in {
        unit for unit, each in standings_of(record, "regime", "soviet", "1919-03-20").items() if each.observed
    }
    spec = chart.to_dict()
    assert " ".join(spec["title"]["text"]).startswith("21 March 1919: 7 of 81 units with a soviet republic")
    words = " ".join(spec["title"]["subtitle"])
    assert "Borders of 15 April 1919" in words and "Source: The Tocsin founders" in words
    assert "Hungary" in spec["description"]
    with pytest.raises(TocsinError, match="outside the window"):
        map_at(record, "regime", "soviet", "1914-07-01")
    with pytest.raises(TocsinError, match="did you mean 'regime'"):
        map_at(record, "regim", "soviet", "1919-03-21")


def test_a_map_of_worlds_shows_their_shares(placed: tuple[tc.History, Any]) -> None:
    history, given = placed
    ensemble = given.simulate(history, worlds=400, seed=1)
    chart = map_at(ensemble, "regime", "soviet", "1919-06-30")
    about = told(chart)
    share = ensemble.probability("regime", "soviet", ["1919-07-01"]).to_pandas().iloc[:, 0]
    for unit in ("hungary", "austria", "italy"):
        assert about[unit]["size"] == pytest.approx(share[unit], abs=1e-4)
        assert about[unit]["worlds"].startswith(f"{100 * share[unit]:.0f} (")
    assert about["hungary"]["inked"] and not about["austria"]["inked"]
    assert not any(each["vague"] for each in about.values())
    few = told(map_at(given.simulate(history, worlds=12, seed=1), "regime", "soviet", "1919-06-30"))
    assert few["austria"]["vague"]
    gone = told(map_at(ensemble, "regime", "soviet", "1919-10-01"))
    assert "worlds" not in gone["bavaria"] if "bavaria" in gone else True  # bavaria has left


def test_a_difference_has_its_sign_and_its_doubt(placed: tuple[tc.History, Any]) -> None:
    history, given = placed
    before = given.simulate(history, worlds=400, seed=1)
    after = given.simulate(history, worlds=400, seed=1, interventions=[tc.remove_layer("border")])
    chart = difference_map(before, after, "regime", "soviet", "1919-06-30")
    about = told(chart)
    assert about["austria"]["group"] == "less" and about["austria"]["worlds"].startswith("−")
    assert "fewer units" in " ".join(chart.to_dict()["title"]["text"])
    same = told(difference_map(before, before, "regime", "soviet", "1919-06-30"))
    assert all("group" not in each for each in same.values())
    one, other = (standings_of(e, "regime", "soviet", "1919-06-30")["austria"] for e in (before, after))
    change = changed(one, other)
    assert change.lower < change.share < change.upper < 0 and not change.vague


def test_newcombe_interval_of_a_difference() -> None:
    from tocsin.ensemble.spells import wilson
    from tocsin.ensemble.standing import Standing

    # Newcombe (1998), table II, example (a): 56/70 against 48/80 has 0.0524 to 0.3339 by method 10.
    shares = []
    for count, size in ((48, 80), (56, 70)):
        low, high = wilson(np.array([count / size]), size)
        shares.append(Standing(None, count / size, float(low[0]), float(high[0])))
    change = changed(*shares)
    assert (change.lower, change.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_units_without_outline_are_rings(placed: tuple[tc.History, Any], tmp_path: Path) -> None:
    history = load_history(folder_with(placed[0], tmp_path / "h", squares()))
    sheet = Sheet(history, "1919-03-21", None, 330)
    assert set(sheet.marks) == {"bavaria", "slovakia", "italy"} and sheet.missing == set()
    assert "Rings" in " ".join(
        map_at(history, "regime", "soviet", "1919-03-21").to_dict()["title"]["subtitle"]
    )


def test_labels_do_not_collide(record: tc.History) -> None:
    for view in ("europe", "world"):
        sheet = Sheet(record, "1919-03-21", view, 700)
        labels = sheet.place({unit: sheet.labels[unit] for unit in sorted(sheet.drawn)})
        assert len(labels) > 25
        boxes = []
        for each in labels:
            wide = 0.56 * 11 * len(each.text)
            left = each.x - {"center": wide / 2, "left": 0, "right": wide}[each.align]
            boxes.append((left, each.y - 6, left + wide, each.y + 6))
        for number, a in enumerate(boxes):
            assert a[0] >= 0 and a[2] <= sheet.projection.width
            for b in boxes[:number]:
                assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


def test_arcs_run_from_source_to_unit(placed: tuple[tc.History, Any]) -> None:
    history, given = placed
    attribution = given.attribute(history)
    chart = arc_map(attribution, history, view="europe")
    lines = [
        row["properties"]
        for data in chart.to_dict()["datasets"].values()
        if not isinstance(data, str)
        for row in data
        if (row.get("geometry") or {}).get("type") == "LineString"
    ]
    assert [line["from"] for line in lines] == ["bavaria"]
    assert lines[0]["to"] == "hungary: regime “soviet”" and lines[0]["date"] == "21 March 1919"
    share = attribution.sources["share"].sum()
    assert lines[0]["share"].startswith(f"{share:.2f}")
    assert len(chosen_arcs(attribution, history, "regime", "soviet", "1919-03-20")) == 0
    with pytest.raises(TocsinError, match="no arc can be drawn"):
        arc_map(attribution, history, date="1919-01-05")
    with pytest.raises(TocsinError, match="there is no state 'sowjet'"):
        arc_map(attribution, history, state="sowjet")


def test_great_circles_are_the_shortest_ways() -> None:
    way = great_circle((0.0, 50.0), (90.0, 50.0))
    assert way[0] == pytest.approx([0, 50]) and way[-1] == pytest.approx([90, 50])
    # The highest latitude of that way: tan = tan(50) / cos(45).
    assert way[:, 1].max() == pytest.approx(np.degrees(np.arctan(np.tan(np.radians(50)) / np.cos(np.pi / 4))))
    assert np.isfinite(great_circle((5.0, 5.0), (5.0, 5.0))).all()


# --- files ----------------------------------------------------------------------------------------------


def test_pictures_are_saved_for_eyes_and_ears_without_network(record: tc.History, tmp_path: Path) -> None:
    chart = map_at(record, "regime", "soviet", "1919-03-21", width=330)
    svg = save_chart(chart, tmp_path / "map.svg").read_text(encoding="utf-8")
    assert re.search(r"<svg [^>]*role=\"img\"[^>]*><title>21 March 1919: 7 of 81", svg)
    assert re.search(r"<desc>Map of Europe, 21 March 1919\..*Hungary.*</desc>", svg)
    assert len(svg) < 600_000
    assert save_chart(chart, tmp_path / "map.png", scale=1).read_bytes()[:4] == b"\x89PNG"
    page = save_chart(chart, tmp_path / "map.html", dark=True).read_text(encoding="utf-8")
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page)
    assert "<title>21 March 1919" in page
    assert svg == svg_of(chart.to_dict())  # the same bytes again
    dark = save_chart(chart, tmp_path / "dark.svg", dark=True).read_text(encoding="utf-8")
    assert not LIGHT & {found.casefold() for found in re.findall(r'"(#[0-9A-Fa-f]{6})"', dark)} - {
        pair[1].casefold() for pair in COLOURS.values()
    }
    with pytest.raises(TocsinError, match=r"\.svg, \.png or \.html"):
        save_chart(chart, tmp_path / "map.jpg")


def test_a_map_of_borders_needs_no_window(record: tc.History) -> None:
    spec = border_map(record, "1914-07-01", view="world", width=330).to_dict()
    assert "Borders of 1 July 1914" in " ".join(spec["title"]["subtitle"])
    assert spec["projection"]["type"] == "equalEarth"
    with pytest.raises(TocsinError, match="is no date"):
        border_map(record, "the day after")
