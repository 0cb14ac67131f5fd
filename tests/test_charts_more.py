"""Survival, hazards by cause, trees, differences, residuals and reliability: pictures that say what results say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.road import MODEL, NASTY, small_history

import tocsin as tc
from tocsin import charts
from tocsin.charts.parts import OF_CAUSES, OF_LAYERS, save_chart
from tocsin.charts.svg import COLOURS
from tocsin.ensemble.paired import Paired
from tocsin.ensemble.survival import kaplan_meier
from tocsin.fit.estimates import Fit

BINS = pd.DataFrame(
    {
        "lower": [0.0, 0.1, 0.5],
        "upper": [0.1, 0.5, 1.0],
        "expected": [0.04, 0.2, 0.8],
        "observed": [0.05, 0.5, 0.75],
        "count": [100, 40, 4],
        "low": [0.02, 0.35, 0.3],
        "high": [0.11, 0.65, 0.95],
    }
)


class Made:
    """One history with its fit and worlds, changed and unchanged."""

    def __init__(self, dated: bool) -> None:
        self.history = small_history(dated)
        self.model = tc.Model.from_toml(MODEL)
        self.fit: Fit = self.model.fit(self.history)
        # The fit finds no contagion along the road; given rates have some.
        names = self.model.compile(self.history).parameter_names
        self.given = self.model.with_params(dict(zip(names, [-5.0, -2.0, -3.0], strict=True)))
        worlds = self.given.simulate(self.history, worlds=80, seed=3)
        self.plain = tc.Comparison.of(worlds, self.model)
        changed = self.given.simulate(self.history, worlds=80, seed=3, interventions=["remove layer road"])
        self.changed = tc.Comparison.of(changed, self.model, "regime=soviet", worlds)

    def charts(self, width: int = 700) -> dict[str, Any]:
        attribution = self.given.attribute(self.history)
        return {
            "survival": charts.survival_curve(self.plain, width=width),
            "causes": charts.hazards_by_cause(self.given, self.history, width=width),
            "tree": charts.spark_tree(attribution, self.history, "regime=soviet", width=width),
            "differences": charts.unit_differences(self.changed, width=width),
            "residuals": charts.residual_curve(self.fit, self.history, width=width),
            "reliability": charts.reliability_curve(BINS, "Nobody (1920)", width=width),
        }


@pytest.fixture(scope="module", params=[True, False], ids=["dated", "numeric"])
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


def drawn(chart: Any, *columns: str) -> pd.DataFrame:
    """Return the rows of a chart's data that have all these columns."""

    def tables(item: Any) -> Any:
        if isinstance(item, dict):
            if isinstance(item.get("values"), list):
                yield item["values"]
            for each in item.values():
                yield from tables(each)
        elif isinstance(item, list):
            for each in item:
                yield from tables(each)

    spec = chart.to_dict()
    found = [*tables(spec), *spec.get("datasets", {}).values()]
    return next(
        pd.DataFrame(rows)
        for rows in found
        if rows and isinstance(rows[0], dict) and set(columns) <= set(rows[0])
    )


def test_each_has_title_source_and_words_and_becomes_every_kind_of_file(made: Made, tmp_path: Path) -> None:
    for width in (700, 320):
        for name, chart in made.charts(width).items():
            spec = chart.to_dict()
            subtitle = " ".join(spec["title"]["subtitle"])
            assert "Source: Nobody (1920)" in subtitle, name
            assert len(" ".join(spec["title"]["text"])) > 20 and len(spec["description"]) > 60, name
            assert " nan" not in spec["description"] + subtitle, name
            svg = save_chart(chart, tmp_path / f"{name}.svg").read_text(encoding="utf-8")
            assert "<desc>" in svg and NASTY not in svg
            assert "NaN" not in svg and "undefined" not in svg, name
            dark = save_chart(chart, tmp_path / f"{name}-dark.svg", dark=True).read_text(encoding="utf-8")
            assert COLOURS["paper"][0] not in dark and COLOURS["paper"][1] in dark
    assert save_chart(chart, tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    page = save_chart(chart, tmp_path / "x.html").read_text(encoding="utf-8")
    assert "cdn.jsdelivr" not in page and "unpkg" not in page


def test_the_survival_curve_is_that_of_the_record(made: Made) -> None:
    table = drawn(charts.survival_curve(made.plain), "survival", "censored")
    own = kaplan_meier(made.plain.spells)
    assert table["survival"].to_numpy() == pytest.approx(100 * own["survival"].to_numpy())
    assert int(table["censored"].sum()) == int(made.plain.spells["censored"].sum()) == 2
    band = drawn(charts.survival_curve(made.plain), "q05", "q95")
    assert (band["q05"] <= band["q95"]).all() and band["q05"].iloc[0] <= 100


def test_the_causes_add_up_to_the_events(made: Made) -> None:
    chart = charts.hazards_by_cause(made.fit, made.history, "regime: old > soviet")
    table = drawn(chart, "cause", "height")
    width = table.groupby("cause")["start"].diff().shift(-1)
    per = 30 if made.history.dated else 1
    # A fit with an intercept expects as many events as there were.
    assert (table["height"] * width).sum() / per == pytest.approx(4.0, abs=1e-3)
    both = drawn(charts.hazards_by_cause(made.given, made.history, unit="bb"), "cause", "height")
    assert set(both["cause"]) == {"home", "road"}


def test_the_tree_hangs_each_event_on_its_likeliest_parent(made: Made) -> None:
    attribution = made.given.attribute(made.history)
    table = drawn(charts.spark_tree(attribution, made.history, "regime=soviet"), "row", "parent_row")
    best = attribution.tree().table
    best = best[best["to"] == "soviet"]
    assert len(table) == len(best) == 4
    assert sorted(table["row"]) == [0, 1, 2, 3]
    assert table["parent_row"].notna().sum() == best["parent_event"].notna().sum()
    hung = table.dropna(subset=["parent_row"])
    assert (hung["parent_row"] < hung["row"]).all()
    assert (table["reason"] == "home").sum() == (best["kind"] == "home").sum()


def test_differences_are_those_of_the_pairs(made: Made) -> None:
    table = drawn(charts.unit_differences(made.changed), "difference", "text")
    own = Paired(made.changed.ensemble, made.changed.baseline).units("regime", "soviet")
    for row in table.to_dict("records"):
        unit = next(name for name, label in made.changed.labels.items() if label.startswith(row["label"][:2]))
        assert row["difference"] == pytest.approx(100 * own.loc[unit, "difference"])
        assert row["text"][0] in "+−"
    with pytest.raises(tc.TocsinError, match="nothing was changed"):
        charts.unit_differences(made.plain)


def test_the_residuals_of_a_right_model_follow_the_line() -> None:
    regime = tc.StateVariable("s", ["a", "b"], recurrent=False)
    units = [f"u{k}" for k in range(300)]
    model = tc.Model([regime], [tc.Transition("s", "a", "b", tc.baseline())])
    empty = tc.History({"unit": units}, variables=[regime], window=(0.0, 20.0))
    given = model.with_params({model.compile(empty).parameter_names[0]: np.log(0.1)})
    world = given.simulate(empty, worlds=1, seed=5).history(0)
    chart = charts.residual_curve(given, world)
    curve = drawn(chart, "time", "hazard", "lower", "upper")
    inside = (curve["lower"] <= curve["time"]) & (curve["time"] <= curve["upper"])
    assert inside.mean() > 0.9
    wrong = model.with_params({model.compile(empty).parameter_names[0]: np.log(0.2)})
    curve = drawn(charts.residual_curve(wrong, world), "time", "hazard", "lower", "upper")
    assert ((curve["lower"] <= curve["time"]) & (curve["time"] <= curve["upper"])).mean() < 0.3


def test_reliability_counts_the_groups_that_hold() -> None:
    chart = charts.reliability_curve(BINS)
    title = " ".join(chart.to_dict()["title"]["text"])
    assert title.startswith("2 of 3 groups")
    came = (0.05 * 100 + 0.5 * 40 + 0.75 * 4) / 144
    assert f"{100 * came:.1f} of 100 came" in title
    for wrong, said in [
        (BINS.drop(columns="low"), "lacks the column 'low'"),
        (BINS.assign(count=0), "nothing was forecast"),
        (BINS.assign(observed=2.0), "between 0 and 1"),
    ]:
        with pytest.raises(tc.TocsinError, match=said):
            charts.reliability_curve(wrong)


def test_wrong_questions_are_refused(made: Made) -> None:
    for wrong in (
        lambda: charts.hazards_by_cause(made.fit, made.history, "regime: old > sovjet"),
        lambda: charts.hazards_by_cause(made.fit, made.history, unit="zz"),
        lambda: charts.residual_curve(made.fit, made.history, "regime: old > sovjet"),
        lambda: charts.spark_tree(made.fit.attribute(made.history), made.history, "regime=sovjet"),
        lambda: tc.Comparison.of(made.plain.ensemble, made.model, "regime=sovjet"),
    ):
        with pytest.raises(tc.TocsinError):
            wrong()


def test_names_are_lazy_and_none_is_a_module() -> None:
    code = (
        "import sys, tocsin.charts as s; assert 'altair' not in sys.modules; "
        "import importlib, pkgutil; mods = {m.name for m in pkgutil.iter_modules(s.__path__)}; "
        "assert not mods & set(s.__all__), mods & set(s.__all__); "
        "assert all(getattr(s, n) is not None for n in s.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(OF_CAUSES) | set(OF_LAYERS.values()) <= set(COLOURS)
    with pytest.raises(AttributeError):
        charts.no_such_chart  # noqa: B018
