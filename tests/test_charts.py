"""Charts: valid, with title, source and a text alternative; what they draw is what the results say."""

from __future__ import annotations

import pytest
from helpers.road import MODEL, small_history

from tocsin.charts import curves, parts
from tocsin.charts.svg import COLOURS, Pictures, page_svg, with_variables
from tocsin.ensemble.comparison import Comparison
from tocsin.model.model import Model
from tocsin.report.replay import Replay, replay

DRAW = [curves.wave_curve, curves.shares, curves.dates, curves.calendar]


@pytest.fixture(scope="module", params=["plain", "changed", "numeric"])
def done(request: pytest.FixtureRequest) -> Replay:
    do = ["remove layer road"] if request.param == "changed" else []
    return replay(small_history(request.param != "numeric"), Model.from_toml(MODEL), worlds=40, do=do)


@pytest.mark.parametrize("draw", DRAW)
def test_charts_carry_title_source_and_description(draw, done: Replay) -> None:
    spec = draw(done.comparison).to_dict()
    assert spec["title"]["text"]
    assert "Source: Nobody (1920); 40 worlds" in " ".join(spec["title"]["subtitle"])
    assert len(spec["description"]) > 30
    svg = parts.to_svg(draw(done.comparison, width=parts.NARROW, titled=False))
    assert svg.startswith('<svg role="img" aria-label=')
    assert "var(--ink)" in svg


def test_forest_shows_every_rate_with_its_interval(done: Replay) -> None:
    chart = curves.forest(done.fit, done.comparison, rates=True)
    assert chart is not None
    rows = [row for row in done.fit["estimates"] if isinstance(row["lower"], float)]
    assert len(rows) >= 2
    drawn = next(iter(chart.to_dict()["datasets"].values()))
    assert len({row["label"] for row in drawn}) == len(rows)
    assert curves.forest(done.fit, done.comparison, rates=False) is None


def test_the_curve_draws_what_happened(done: Replay) -> None:
    curve = done.comparison.curve()
    assert curve["observed"].max() == 3
    assert (curve[0.05] <= curve[0.5]).all()
    assert (curve[0.5] <= curve[0.95]).all()


def test_the_title_of_the_curve_says_what_stands_at_the_end() -> None:
    history, model = small_history(), Model.from_toml(MODEL)
    fit = model.fit(history)
    cause = "remove cause regime: old > soviet | baseline"
    plain, without = (fit.simulate(history, 40, 1, do) for do in ([], [cause]))
    same = curves.curve_finding(Comparison.of(plain, model, unchanged=plain))
    curve = plain.curve("regime", "soviet").iloc[-1]
    assert (
        same.startswith(f"At the end: {curve[0.5]:g} ")
        and f"({curve[0.05]:g} to {curve[0.95]:g} in 90" in same
    )
    assert same.endswith(f", {curve[0.5]:g} in that without the change")
    found = Comparison.of(without, model, unchanged=plain)
    assert found.difference is not None and found.difference.median < 0
    assert curves.curve_finding(found).startswith("At the end: 0 units in ")
    seen = curves.curve_finding(Comparison.of(plain, model))
    assert "in the record" in seen and "change" not in seen


def contrast(one: str, two: str) -> float:
    """Return the contrast of two colours by WCAG 2."""

    def light(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_text_can_be_read_in_both_themes(theme: int) -> None:
    paper = COLOURS["paper"][theme]
    assert contrast(COLOURS["ink"][theme], paper) >= 7
    assert contrast(COLOURS["quiet"][theme], paper) >= 4.5
    assert contrast(COLOURS["wave"][theme], paper) >= 3
    assert contrast(COLOURS["ink"][theme], COLOURS["band"][theme]) >= 4.5


def test_page_colours_follow_the_theme() -> None:
    assert with_variables('fill="#1E1E1C" stroke="#6a3d8f"') == 'fill="var(--ink)" stroke="var(--wave)"'


def test_pictures_drawn_by_another_process_are_those_drawn_here(monkeypatch):
    spec = {
        "data": {"values": [{"x": 1}]},
        "mark": "point",
        "encoding": {"x": {"field": "x"}},
        "description": "one <dot>",
    }
    here = page_svg(spec)
    with Pictures() as pictures:
        page = f"<p>{pictures.add(spec)}</p>{pictures.add(spec)}"
        assert pictures._process is not None and pictures._process.poll() is None
        assert pictures.filled(page) == f"<p>{here}</p>{here}"
        pictures._process.kill()  # a machine that takes it away: the rest is drawn here
        pictures._process.wait()
        assert pictures.filled(pictures.add(spec)) == here
    monkeypatch.setattr("sys.executable", "")
    with Pictures() as pictures:
        assert pictures._process is None and pictures.filled(pictures.add(spec)) == here
