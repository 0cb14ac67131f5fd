"""In notebooks: charts and results that show themselves, and the widget of an ensemble in a real browser."""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

import pytest
from helpers.browser import Watched
from helpers.small_wave import wave

import tocsin as tc
from tocsin.errors import TocsinError

pytest.importorskip("anywidget", reason="the widget needs the extra `explorer`")

NASTY = "<script>alert('x')</script>"


@cache
def seven() -> tc.Ensemble:
    """Return worlds of 1917 in which nothing moves but what the packaged model says, few of them."""
    history = tc.load_history("1917")
    model = tc.Model.from_toml(history.model_path)
    return model.fit(history).simulate(history, worlds=60, seed=7)


def small(**options: Any) -> tc.Ensemble:
    history, model = wave()
    return model.simulate(history, worlds=40, seed=3, **options)  # type: ignore[attr-defined]


# --- what it holds ------------------------------------------------------------------------------------------


def test_names_are_checked_and_the_nearest_said() -> None:
    worlds = small()
    with pytest.raises(TocsinError, match="did you mean 'regime'"):
        worlds.explore("regim", "soviet")
    with pytest.raises(TocsinError, match="did you mean 'soviet'"):
        worlds.explore("regime", "sovjet")
    with pytest.raises(TocsinError, match="did you mean 'soviet'"):
        worlds.explore(state="sovjet")
    with pytest.raises(TocsinError, match="outside the window"):
        worlds.explore(date="1950-01-01")


def test_without_anywidget_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(TocsinError, match=r"tocsin\[explorer\]"):
        small().explore()


def test_it_opens_where_the_record_is_highest_and_elsewhere_if_asked() -> None:
    assert small().explore().content["about"]["wave"] == "regime=soviet"
    assert small().explore(date="1919-06-01").date == "1919-06-01"


def test_an_ensemble_from_a_file_needs_no_history(tmp_path: Any) -> None:
    read = tc.Ensemble.read(small().write(tmp_path / "worlds.parquet"))
    widget = read.explore()
    assert widget.content["maps"] == []
    assert not widget.content["record"]
    assert {each["id"] for each in widget.content["about"]["units"]} == set(read.frame.units)


# --- in a notebook ------------------------------------------------------------------------------------------

CELLS = [
    "import sys; sys.path.insert(0, TESTS)\nfrom helpers.small_wave import wave\nimport tocsin as tc\n"
    "history, model = wave()\nworlds = model.simulate(history, worlds=40, seed=3)\nworlds.explore()",
    "history",
    "model.model",
    "worlds",
]


def test_a_notebook_shows_them_without_a_network(tmp_path: Any) -> None:
    nbclient = pytest.importorskip("nbclient", reason="notebooks need the group `docs`")
    nbformat = pytest.importorskip("nbformat", reason="notebooks need the group `docs`")
    from pathlib import Path

    cells = [text.replace("TESTS", repr(str(Path(__file__).parent))) for text in CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    done = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    shown = [next(each for each in cell.outputs if "data" in each).data for cell in done.cells]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    for bundle in shown[1:]:
        assert "<p>" in bundle["text/html"] or "<table" in bundle["text/html"]


# --- in a browser -------------------------------------------------------------------------------------------

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A notebook</title></head>
<body><main><h1>A notebook</h1><div id="out"></div></main></body></html>"""
# What anywidget asks of a model, and no more: get, set, save_changes, on, off.
START = """async ({esm, css, traits}) => {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const heard = new Map();
  const model = {
    traits, saved: 0,
    get: (name) => model.traits[name],
    set: (name, value) => {
      if (model.traits[name] === value) return;
      model.traits[name] = value;
      for (const act of heard.get(`change:${name}`) || []) act();
    },
    save_changes: () => { model.saved += 1; },
    on: (name, act) => heard.set(name, [...(heard.get(name) || []), act]),
    off: (name, act) => heard.set(name, (heard.get(name) || []).filter((each) => each !== act)),
  };
  const url = URL.createObjectURL(new Blob([esm], {type: "text/javascript"}));
  const module = (await import(url)).default;
  window.model = model;
  window.left = module.render({model, el: document.getElementById("out")});
}"""


class Seen(Watched):
    """A widget in a page without a network."""

    def __init__(self, chromium: Any, widget: Any, width: int = 1000, **options: Any) -> None:
        super().__init__(chromium, (width, 1300), "http://notebook.test/", **options)

        def route(asked: Any) -> None:
            if asked.request.url == "http://notebook.test/":
                asked.fulfill(body=PAGE, content_type="text/html")
            elif asked.request.url.startswith("blob:"):
                asked.continue_()
            else:
                self.said.append(f"asked for {asked.request.url}")
                asked.fulfill(status=204)

        self.context.route("**/*", route)
        self.page.goto("http://notebook.test/")
        traits = {"content": widget.content, "date": widget.date, "unit": widget.unit}
        # As it travels to a front end: JSON.
        traits = json.loads(json.dumps(traits, allow_nan=False))
        self.page.evaluate(START, {"esm": str(widget._esm), "css": str(widget._css), "traits": traits})

    def axe(self) -> list[str]:
        from axe_playwright_python.sync_playwright import Axe

        tags = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": tags}})
        return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found.response["violations"]]

    def fills(self) -> dict[str, str]:
        found: dict[str, str] = self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.map [data-unit]')]"
            ".map((each) => [each.dataset.unit, each.style.fill + each.style.fillOpacity]))"
        )
        return found


def test_time_moves_by_keyboard_and_the_map_follows(chromium: Any) -> None:
    seen = Seen(chromium, seven().explore("regime", "soviet", date="1919-03-21"))
    page = seen.page
    date = page.locator(".date")
    assert date.text_content() == "21 March 1919"
    before = seen.fills()
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert date.text_content() == "28 March 1919"
    page.keyboard.press("Shift+ArrowRight")
    assert date.text_content() == "29 March 1919"
    for _ in range(8):
        page.keyboard.press("PageUp")
    assert seen.fills() != before
    assert page.evaluate("model.traits.date") == page.evaluate("model.get('date')") != "1919-03-21"
    # The kernel can move it too.
    page.evaluate("model.set('date', '1917-12-01')")
    assert date.text_content() == "1 December 1917"
    seen.close()


def test_a_place_says_its_number(chromium: Any) -> None:
    worlds = seven()
    seen = Seen(chromium, worlds.explore("regime", "soviet", date="1919-03-21"))
    page = seen.page
    # An event of the day has been seen by its end.
    share = float(worlds.probability("regime", "soviet", ["1919-03-22"]).sel(unit="hungary").item())
    page.locator(".map [data-unit=hungary]").focus()
    tip = page.locator(".tip")
    assert f"in {round(100 * share)} of 100 worlds (" in tip.text_content()
    page.keyboard.press("Enter")
    assert page.evaluate("model.traits.unit") == "hungary"
    assert "Hungary" in page.locator("p.small", has_text="of 100 worlds (").first.text_content()
    seen.close()


def test_it_plays_and_stops(chromium: Any) -> None:
    seen = Seen(chromium, small().explore(date="1919-02-01"))
    page = seen.page
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.date').textContent !== '1 February 1919'")
    page.get_by_role("button", name="Pause").click()
    stood = page.locator(".date").text_content()
    assert page.evaluate("model.saved") > 0
    page.wait_for_timeout(150)
    assert page.locator(".date").text_content() == stood
    page.evaluate("left()")
    seen.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_all(chromium: Any, scheme: str) -> None:
    seen = Seen(chromium, seven().explore("regime", "soviet"), 360, color_scheme=scheme)
    seen.page.locator("summary").click()
    assert seen.axe() == []
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    seen.close()


def test_names_do_not_become_markup(chromium: Any) -> None:
    states = tc.StateVariable("mood", ["calm", "stirred"])
    history = tc.History(
        units={"unit": ["xx", "yy"], "label": [NASTY, "Ys"]},
        events={"unit": ["xx"], "variable": ["mood"], "state": ["stirred"], "time": [4.5]},
        ties={"layer": ["songs"], "source": ["xx"], "target": ["yy"]},
        variables=[states],
        window=(0.0, 10.0),
        title=NASTY,
    )
    model = tc.Model([states], [tc.Transition("mood", "calm", "stirred", tc.baseline())])
    names = model.compile(history).parameter_names
    worlds = model.with_params(dict.fromkeys(names, -2.0)).simulate(history, worlds=30, seed=1)
    assert "<script" not in history._repr_html_() + worlds._repr_html_() + model._repr_html_()
    seen = Seen(chromium, worlds.explore())
    assert seen.page.locator("tbody tr").count() == 2
    assert seen.page.locator(".tocsin script").count() == 0
    assert seen.page.locator(".map").count() == 0
    seen.close()
