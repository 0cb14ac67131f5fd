"""The explorer in a real browser: Debian's Chromium, headless, with the network closed but for the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the explorer needs the extra `explorer`")
sync_api = pytest.importorskip("playwright.sync_api", reason="tests in a browser need the group `browser`")
axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the group `browser`")

from helpers.browser import INNER, WatchedPage  # noqa: E402
from helpers.explored import laboratory, nowhere, served, small  # noqa: E402

from tocsin.explorer import assets, edition  # noqa: E402
from tocsin.explorer.app import application  # noqa: E402

DESK, PHONE, WALL = (1440, 900), (360, 780), (1920, 1080)
expect = sync_api.expect
WITHOUT = "remove layer comintern"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served(application(laboratory())) as address:
        yield address


class Seen(WatchedPage):
    """The page of a server, with the rest of the network closed."""

    def __init__(self, chromium: Any, origin: str, size: tuple[int, int] = DESK, **options: Any) -> None:
        super().__init__(chromium, size, origin, **options)
        self.origin = origin

        def route(asked: Any) -> None:
            if asked.request.url.startswith((origin, *INNER)):
                asked.continue_()
            else:
                asked.abort()

        self.context.route("**/*", route)

    def open(self, query: str = "") -> Any:
        self.page.goto(self.origin + query)
        self.ready()
        return self.page


@pytest.fixture
def seen(chromium: Any, server: str) -> Iterator[Seen]:
    each = Seen(chromium, server)
    yield each
    each.close()


def day(page: Any) -> int:
    return int(page.evaluate("window.tocsinPage.state.get('i')"))


def fill_of(page: Any, unit: str, side: str = "left") -> str:
    found: str = page.evaluate(
        "([side, unit]) => document.querySelector(`#${side} [data-unit=${unit}]`).style.fill", [side, unit]
    )
    return found


# --- time ---------------------------------------------------------------------------------------------------


def at_a_clock(seen: Seen, query: str) -> Any:
    """Open the page where time stands still until the test lets it pass, however busy the machine is."""
    seen.page.clock.install()
    page = seen.open(query)
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)
    return page


def test_it_plays_and_pauses(seen: Seen) -> None:
    page = at_a_clock(seen, "?date=1919-03-01")
    expect(page.locator("#date")).to_have_text("1 March 1919")
    begun = day(page)
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Pause")
    page.clock.run_for(1000)
    stopped = day(page)
    assert begun + 5 <= stopped <= begun + 7
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_text("Play")
    page.clock.run_for(1000)
    assert day(page) == stopped
    assert re.search(rf"date=1919-03-0{1 + stopped - begun}", page.url)


def test_play_runs_a_week_a_second(seen: Seen) -> None:
    page = at_a_clock(seen, "?date=1919-01-01")
    begun = day(page)
    page.evaluate("window.tocsinPage.time.play()")
    page.clock.run_for(4000)
    assert 27 <= day(page) - begun <= 28
    page.locator("#speed").select_option("4")
    page.clock.run_for(1000)
    assert 54 <= day(page) - begun <= 56
    page.evaluate("window.tocsinPage.time.pause()")


def test_keys_move_time_everywhere(seen: Seen) -> None:
    page = seen.open("?date=1919-03-21")
    for key, words in {
        "ArrowRight": "28 March 1919",
        "ArrowLeft": "21 March 1919",
        "Shift+ArrowRight": "22 March 1919",
    }.items():
        page.keyboard.press(key)
        expect(page.locator("#date")).to_have_text(words)
    page.locator("#slider").focus()
    page.keyboard.press("Home")
    expect(page.locator("#date")).to_have_text("1 January 1917")
    page.keyboard.press("End")
    expect(page.locator("#date")).to_have_text("31 December 1923")
    page.keyboard.press("PageDown")
    expect(page.locator("#slider")).to_have_attribute("aria-valuetext", "1 October 1923")
    # Where text is written, the keys are those of the text.
    page.get_by_label("Change something, in a sentence").focus()
    page.keyboard.type("a b")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#date")).to_have_text("1 October 1923")
    expect(page.locator("#play")).to_have_text("Play")


def test_the_slider_and_the_curve_can_be_dragged(seen: Seen) -> None:
    page = seen.open("?date=1918-01-01")
    box = page.locator("#slider").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2, steps=12)
    page.mouse.up()
    assert abs(day(page) - 2555 * 0.5) < 40
    page.locator("#curve svg").scroll_into_view_if_needed()
    chart = page.locator("#curve svg").bounding_box()
    page.mouse.move(chart["x"] + chart["width"] * 0.9, chart["y"] + 30)
    page.mouse.down()
    page.mouse.move(chart["x"] + chart["width"] * 0.3, chart["y"] + 30, steps=12)
    page.mouse.up()
    assert 400 < day(page) < 900


def test_the_record_is_drawn_as_it_was(seen: Seen) -> None:
    page = seen.open("?date=1919-03-20&map=record")
    assert fill_of(page, "hungary") != "var(--wave)"
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#left [data-unit=hungary]")).to_have_class(re.compile("inked"))
    assert fill_of(page, "hungary") == "var(--wave)"
    expect(page.locator("#finding")).to_contain_text("21 March 1919")
    page.evaluate("window.tocsinPage.state.set({ i: 2000 })")
    page.wait_for_function(
        "() => document.querySelector('#left [data-unit=hungary]').style.fill.includes('hatch')"
    )


def test_borders_change_with_time(seen: Seen) -> None:
    page = seen.open("?date=1917-03-01")
    expect(page.locator("#mapnote")).to_contain_text("Borders of 1 March 1917")
    before = page.locator("#left path.border").get_attribute("d")
    page.evaluate("window.tocsinPage.state.set({ i: 2000 })")
    expect(page.locator("#mapnote")).to_contain_text("Borders of 1 June 1922")
    assert page.locator("#left path.border").get_attribute("d") != before


# --- questions ----------------------------------------------------------------------------------------------


def test_hungary_without_the_comintern_within_three_clicks(seen: Seen) -> None:
    page = seen.open()
    page.get_by_role("button", name="Without the Comintern", exact=True).click()
    seen.changed()
    page.get_by_label("Whose story?").select_option("hungary")
    answer = page.locator("#unitanswer")
    expect(answer).to_contain_text("Hungary has a soviet republic in")
    expect(answer).to_contain_text("Without the Comintern")
    expect(answer).to_contain_text("95% interval")
    expect(page.locator("#headline")).to_contain_text("in the median world")
    expect(page.locator("#right-caption")).to_have_text("Worlds with “Without the Comintern”")
    row = page.locator("#table tr", has_text="Hungary")
    expect(row.locator("td")).to_have_count(4)


def test_a_sentence_is_tried_refused_and_taken_back(seen: Seen) -> None:
    page = seen.open("?date=1919-04-07&map=worlds")
    field = page.get_by_label("Change something, in a sentence")
    field.fill("prevent hungry regime=soviet")
    field.press("Enter")
    expect(page.locator("#builder [role=alert]").first).to_contain_text("did you mean 'hungary'")
    # The browser reports every refused answer to the console.
    assert [text for text in seen.said if "400" not in text] == []
    seen.said.clear()
    field.fill("prevent hungary regime=soviet")
    field.press("Enter")
    seen.changed()
    expect(page.locator(".said")).to_have_text("prevent hungary regime=soviet")
    expect(page.locator("#right [data-unit=hungary]")).to_be_attached()
    assert fill_of(page, "hungary", "right") == "transparent" != fill_of(page, "hungary", "left")
    page.get_by_label("Difference", exact=True).check(force=True)
    # Dotted or not: among so few worlds the interval of the expected effect may reach none.
    page.wait_for_function(
        "() => document.querySelector('#left [data-unit=hungary]').style.fill.includes('less')"
    )
    page.get_by_role("button", name="Take back “prevent hungary regime=soviet”").click()
    seen.changed()
    expect(page.locator(".said")).to_have_count(0)
    page.go_back()
    expect(page.locator(".said")).to_have_text("prevent hungary regime=soviet")
    seen.changed()


def test_names_are_offered_while_a_sentence_is_written(seen: Seen) -> None:
    page = seen.open()
    field = page.get_by_label("Change something, in a sentence")

    def offered(text: str) -> list[str]:
        field.fill(text)
        options: list[str] = page.eval_on_selector_all(
            f"#{field.get_attribute('list')} option", "all => all.map((each) => each.value)"
        )
        return options

    assert WITHOUT in offered("")
    assert WITHOUT in offered("remove layer com")
    assert "prevent hungary regime=soviet" in offered("prevent hun")
    assert "scale food_crisis by 0.5" in offered("scale food")
    assert "prevent hungary army=mutinous" in offered("prevent hungary ar")
    assert offered("nonsense") == []


def test_two_scenarios_side_by_side(seen: Seen) -> None:
    page = seen.open(f"?do={WITHOUT.replace(' ', '+')}&base=remove+layer+red_army&map=sides&date=1920-06-01")
    expect(page.locator("#left-caption")).to_have_text("Worlds with “Without the Red Army abroad”")
    expect(page.locator("#right-caption")).to_have_text("Worlds with “Without the Comintern”")
    expect(page.locator("#right svg.map")).to_be_visible()
    expect(page.locator("#table caption")).to_contain_text("95% intervals")


def test_markup_in_a_sentence_is_shown_as_text(seen: Seen) -> None:
    page = seen.open("?do=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&unit=%3Cb%3E&date=%3Ci%3E&nonsense=1")
    expect(page.locator("#trouble")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#trouble")).to_contain_text("“<i>” is no date")
    assert page.locator("img").count() == 0
    assert all("400" in text for text in seen.said)
    seen.said.clear()


# --- places -------------------------------------------------------------------------------------------------


def test_a_click_tells_the_story_of_a_place(seen: Seen) -> None:
    page = seen.open("?date=1919-04-07")
    page.locator("#left [data-unit=hungary]").click()
    expect(page.locator("#place-title")).to_have_text("Hungary")
    story = page.locator("#story")
    expect(story).to_contain_text("21 March 1919")
    expect(story).to_contain_text("Source:")
    expect(story).to_contain_text("Hazard of soviet republic, by cause")
    expect(story.locator(".chart svg[role=img]")).to_have_attribute("aria-label", re.compile("home"))
    assert story.locator(".chart svg path").count() > 3
    expect(story.locator("dl.ties")).to_contain_text("Romania")
    assert "unit=hungary" in page.url
    story.get_by_role("button", name="21 March 1919").click()
    expect(page.locator("#date")).to_have_text("21 March 1919")
    story.locator("dl.ties").get_by_role("button", name="Romania").first.click()
    expect(page.locator("#place-title")).to_have_text("Romania")


def test_a_probability_carries_its_number_on_hover_and_focus(seen: Seen) -> None:
    page = seen.open("?date=1919-04-07&map=worlds")
    tip = page.locator("#left .tip")
    page.locator("#left [data-unit=russia]").hover()
    expect(tip).to_contain_text("Russia")
    expect(tip).to_contain_text(re.compile(r"regime “soviet” in \d+ of 100 worlds \(\d+ to \d+\)"))
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    page.locator("#left [data-unit][tabindex='0']").focus()
    expect(tip).to_be_visible()
    page.keyboard.press("g")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("G") and "of 100 worlds" in focused
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") != focused
    page.keyboard.press("Enter")
    expect(page.locator("#unit")).not_to_have_value("")


def test_layers_are_switched_on_and_off(seen: Seen) -> None:
    page = seen.open("?date=1917-06-01&map=record")
    assert page.locator("#left .arcs path").count() == 0
    page.get_by_label(re.compile(r"\bfront \(")).check()
    page.wait_for_selector("#left .arcs path.tie", state="attached")
    assert "ties=front" in page.evaluate("window.tocsinPage.state.address()")
    page.get_by_label(re.compile(r"\bfront \(")).uncheck()
    page.wait_for_function("() => document.querySelectorAll('#left .arcs path').length === 0")
    page.evaluate("window.tocsinPage.state.set({ i: 1000 })")
    page.wait_for_function(
        "() => document.querySelector('#left [data-unit=russia]').style.fill === 'var(--wave)'"
    )
    page.locator("#layerlist").get_by_label("soviet republics").uncheck()
    page.wait_for_function(
        "() => document.querySelector('#left [data-unit=russia]').style.fill !== 'var(--wave)'"
    )
    page.get_by_role("button", name="What would have happened without Moscow's support?").click()
    seen.changed()
    expect(page.locator(".said")).to_have_text(WITHOUT)


def test_the_table_is_sorted(seen: Seen) -> None:
    page = seen.open()
    page.get_by_role("button", name="Place", exact=True).click()
    names = page.locator("#table tbody th").all_inner_texts()
    assert names == sorted(names, key=str.casefold) and len(names) > 20
    expect(page.locator("#table th[aria-sort=ascending]")).to_contain_text("Place")
    page.get_by_role("button", name="Place", exact=True).click()
    assert page.locator("#table tbody th").all_inner_texts() == names[::-1]


# --- what is taken away -------------------------------------------------------------------------------------


def test_a_state_is_shared_by_its_address(seen: Seen, chromium: Any) -> None:
    page = seen.open()
    page.get_by_role("button", name="Without the Comintern", exact=True).click()
    seen.changed()
    page.locator("#unit").select_option("bavaria")
    page.locator("#view").select_option("world")
    page.get_by_label(re.compile(r"\blanguage \(")).check()
    page.evaluate("window.tocsinPage.state.set({ i: 830 })")
    expect(page.locator("#address")).to_have_value(re.compile("date=1919-04-11"))
    address = page.locator("#address").input_value()
    other = Seen(chromium, seen.origin)
    page2 = other.open(address.removeprefix(seen.origin))
    expect(page2.locator("#date")).to_have_text(page.locator("#date").inner_text())
    expect(page2.locator("#place-title")).to_have_text("Bavaria")
    expect(page2.locator("#view")).to_have_value("world")
    expect(page2.locator(".said")).to_have_text(WITHOUT)
    expect(page2.locator("#unitanswer")).to_have_text(page.locator("#unitanswer").inner_text())
    assert page2.evaluate("window.tocsinPage.state.address()") == page.evaluate(
        "window.tocsinPage.state.address()"
    )
    assert other.said == []
    other.context.close()


def test_data_pictures_and_code_are_taken_away(seen: Seen, tmp_path: Path) -> None:
    page = seen.open(f"?do={WITHOUT.replace(' ', '+')}&map=change&date=1920-01-01")

    def taken(press: Any) -> bytes:
        with page.expect_download() as coming:
            press.click()
        path = tmp_path / coming.value.suggested_filename
        coming.value.save_as(path)
        return path.read_bytes()

    table = taken(page.get_by_role("link", name="CSV: place by place")).decode()
    assert f"# changed: {WITHOUT}" in table and "\nhungary,Hungary,yes," in table
    picture = taken(page.get_by_role("button", name="Map as SVG")).decode()
    assert picture.startswith("<svg") and "var(" not in picture and "script" not in picture
    assert "1 January 1920" in picture and "Natural Earth" in picture
    assert taken(page.get_by_role("button", name="Map as PNG")).startswith(b"\x89PNG")
    page.get_by_text("The same on the command line").click()
    expect(page.locator("pre", has_text="tocsin replay 1917")).to_contain_text(f"--do '{WITHOUT}'")
    page.get_by_text("The same in Python").click()
    expect(page.locator("pre", has_text="import tocsin as tc")).to_contain_text(WITHOUT)


# --- for everybody ------------------------------------------------------------------------------------------

STATES = {
    "first": "",
    "what if": f"?do={WITHOUT.replace(' ', '+')}&unit=hungary&map=sides&date=1919-04-07&ties=front,language",
}


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)])
def test_axe_finds_nothing(chromium: Any, server: str, scheme: str, size: tuple[int, int]) -> None:
    each = Seen(chromium, server, size, color_scheme=scheme)
    for name, query in [("what if", STATES["what if"])]:
        page = each.open(query)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.wait_for_function(
            "!document.querySelector('#unit').value || document.querySelector('#story svg')"
        )
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        # Its name stands in the tests, not in the page: the policy of the page holds for it as well.
        found = axe_playwright.Axe().run(page, options=options)
        wrong = [
            (rule["id"], node["html"][:160], node.get("failureSummary", "")[:300])
            for rule in found.response["violations"]
            for node in rule["nodes"][:3]
        ]
        assert wrong == [], (name, wrong)
    assert each.said == []
    each.context.close()


@pytest.mark.parametrize("size", [PHONE, (768, 1024), WALL])
def test_nothing_scrolls_sideways(chromium: Any, server: str, size: tuple[int, int]) -> None:
    each = Seen(chromium, server, size)
    for query in STATES.values():
        page = each.open(query)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        # Whatever can be pressed is large enough for a finger (WCAG 2.2, 2.5.8), or stands in a line of text.
        small_ = page.eval_on_selector_all(
            "button:not(.link):not(.when):not(.sort), select, input:not([type=radio])",
            """all => all.filter((each) => each.checkVisibility()).map((each) => [each.outerHTML.slice(0, 90),
                each.closest("label")?.getBoundingClientRect().height || each.getBoundingClientRect().height])
                .filter(([, height]) => height < 17)""",
        )
        assert small_ == []
    assert each.said == []
    each.context.close()


def test_dark_is_dark_and_less_motion_is_less(chromium: Any, server: str) -> None:
    each = Seen(chromium, server, color_scheme="dark", reduced_motion="reduce")
    page = each.open("?date=1919-01-01")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    assert page.evaluate("getComputedStyle(document.querySelector('button')).transitionDuration") == "0s"
    page.keyboard.press("Space")
    page.wait_for_function("() => window.tocsinPage.state.get('i') > 730")
    page.keyboard.press("Space")
    assert (day(page) - 730) % 7 == 0  # a step a second, no glide
    assert each.said == []
    each.context.close()


def test_all_is_reached_by_keyboard(seen: Seen) -> None:
    page = seen.open("?date=1919-04-07")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the question"
    page.keyboard.press("Enter")
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => { const at = document.activeElement; return [
            at.id || at.textContent.trim().slice(0, 30) || at.value, getComputedStyle(at).outlineStyle]; }"""
        )
        reached.add(name)
        if name == "BODY" or (
            name and outline == "none" and page.evaluate("document.activeElement !== document.body")
        ):
            assert page.evaluate("document.activeElement.matches('.unit, .choice input')"), name
    assert {"Without the Comintern", "Try it", "unit", "copy", "svg", "Place"} <= reached


# --- histories of other kinds, and no server ----------------------------------------------------------------


def test_a_history_without_a_map_is_explored_all_the_same(chromium: Any) -> None:
    with served(application(nowhere())) as address:
        each = Seen(chromium, address)
        page = each.open("?unit=yy&date=5")
        expect(page.locator("#mapnote")).to_contain_text("there is no map")
        expect(page.locator("#story")).to_contain_text("mood “stirred”")
        expect(page.locator("#date")).to_have_text("5")
        page.get_by_role("button", name="without songs", exact=True).click()
        each.changed()
        expect(page.locator("#headline")).to_contain_text("without songs")
        assert each.said == []
        each.context.close()


def test_the_page_works_from_a_file(chromium: Any, tmp_path: Path) -> None:
    """An edition: the same page without a server, opened from a folder, with what it was given beforehand."""
    lab = small()
    do = ["remove layer border"]
    told = edition.about_edition(lab, [{"do": do, "words": "without border"}])
    found = dict(edition.prepared_answers(lab, [do]))
    files = {}
    for n, (address, content) in enumerate(found.items()):
        files[address] = f"answer-{n}.js"
        (tmp_path / files[address]).write_text(edition.store_script({address: content}))
    (tmp_path / "vega.js").write_text(assets.vega_bundle())
    (tmp_path / "edition.js").write_text(edition.edition_script({"api/about": told}, files, "vega.js"))
    (tmp_path / "explorer.js").write_text(edition.classic_script())
    for name in ("style.css", "theme.css", "icon.svg"):
        part = assets.asset(name)
        assert part is not None
        (tmp_path / name).write_bytes(part.content)
    (tmp_path / "index.html").write_text(edition.page_html(["edition.js", "explorer.js"], ""))
    each = Seen(chromium, (tmp_path / "index.html").as_uri().removesuffix("index.html"))
    page = each.open("index.html")
    page.get_by_role("button", name="without border").click()
    each.changed()
    expect(page.locator("#headline")).to_contain_text("without border")
    expect(page.locator("#curve svg[role=img]")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash.includes('do=remove+layer+border')")
    page.reload()
    each.ready()
    expect(page.locator("#headline")).to_contain_text("without border")
    assert page.get_by_label("Change something, in a sentence").count() == 0
    assert each.said == []
    each.context.close()


def test_intervals_of_the_page_are_those_of_python(seen: Seen) -> None:
    import numpy as np

    from tocsin.ensemble.spells import wilson
    from tocsin.ensemble.standing import Standing, changed

    page = seen.open()
    code = """async ([a, b, n]) => { const { wilson, newcombe } = await import("/page/words.js");
              const [x, y] = [wilson(a, n), wilson(b, n)]; return [x, newcombe(x, y)]; }"""
    for a, b, n in ((0, 3, 200), (37, 31, 100), (200, 199, 200)):
        mine, difference = page.evaluate(code, [a, b, n])
        ends = [[float(v[0]) for v in wilson(np.array([k / n]), n)] for k in (a, b)]
        assert mine == pytest.approx([a / n, *ends[0]])
        one, other = (Standing(None, k / n, *end) for k, end in zip((a, b), ends, strict=True))
        wanted = changed(one, other)
        assert difference == pytest.approx([wanted.share, wanted.lower, wanted.upper])
    assert json.loads(page.evaluate("JSON.stringify(window.tocsinPage.about.wave)")) == "regime=soviet"
