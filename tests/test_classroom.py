"""The class edition: what it is made of, the folder, and its pages in a real browser without any network."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import WatchedPage
from typer.testing import CliRunner, Result

import tocsin as tc
from tocsin.classroom import site
from tocsin.classroom.outcomes import outcome_of, tenths
from tocsin.classroom.prepared import generic, read_lesson
from tocsin.cli.main import app
from tocsin.ensemble.paired import Paired
from tocsin.explorer.questions import Limits, QuestionReader
from tocsin.explorer.run import Laboratory
from tocsin.model.followed_state import wave_of
from tocsin.what_if.answer import signed_mean

WORLDS = 100


@pytest.fixture(scope="module")
def planned() -> site.SitePlan:
    return site.plan("1917", worlds=WORLDS)


@pytest.fixture(scope="module")
def laboratory(planned: site.SitePlan) -> Laboratory:
    return site._laboratory(planned, lambda what, done, total: None)


@pytest.fixture(scope="module")
def folder(planned: site.SitePlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The edition of 1917 with few worlds."""
    to = tmp_path_factory.mktemp("class")
    (to / "notes.txt").write_text("mine")
    told: list[tuple[str, int, int]] = []
    made = site.publish(planned, to.parent / "class.html", lambda *words: told.append(words), folder=to)
    assert made == [to.parent / "class.html", to / "index.html"] and ("writing", 0, 0) in told
    assert max(done for _, done, _ in told) == max(total for _, _, total in told) - 1
    return to


# --- what it is made of -------------------------------------------------------------------------------------


def test_a_dozen_scenarios_and_eight_steps(planned: site.SitePlan) -> None:
    assert len(planned.scenarios) == 12 and len({each.do for each in planned.scenarios}) == 12
    assert all(each.why and each.title for each in planned.scenarios)
    assert planned.tour is not None and len(planned.tour.steps) == 8
    assert "Alpha History" in planned.tour.about
    for step in planned.tour.steps:
        assert step.question.endswith(("?", ".")) and step.answer.figure and step.units
        assert "{" not in step.heading and "unknown" not in step.heading
    hungary = next(step for step in planned.tour.steps if step.answer.claim.id == "c18")
    assert hungary.heading == "Budapest held out for 133 days, to 1 August 1919"
    assert [str(show) for show in planned.shown] == ["regime=soviet", "army=mutinous"]


def test_no_figure_is_typed_in_the_tour(planned: site.SitePlan) -> None:
    assert planned.history.model_path is not None
    text = (planned.history.model_path.parent / "tour.toml").read_text(encoding="utf-8")
    for heading in re.findall(r'^heading = "(.*)"$', text, re.MULTILINE):
        assert not re.search(r"\d", re.sub(r"\{[^}]*\}", "", heading).replace("of 100", "")), heading


def test_an_outcome_is_that_of_paired_worlds(planned: site.SitePlan, laboratory: Laboratory) -> None:
    scenario = next(each for each in planned.scenarios if each.key == "no-red-army")
    outcome = outcome_of(laboratory, scenario, planned.wave)
    given = planned.model.with_params(laboratory.parameters)
    changed, plain = (
        given.simulate(
            planned.history, WORLDS, 1917, do, draws=laboratory.draws, given=laboratory.standard.given
        )
        for do in (scenario.do, ())
    )
    row = Paired(changed, plain).table("regime", "soviet").set_index("measure").loc["entries"]
    for name in ("changed", "unchanged", "difference", "expected_lower", "wave_upper"):
        assert outcome.entries[name] == pytest.approx(row[name])
    assert f"{row['changed']:.1f} soviet republics" in outcome.average and outcome.certain
    assert signed_mean(row["difference"]) in outcome.average
    assert outcome.most is not None and outcome.most["difference"][2] < 0
    held = next(each for each in planned.scenarios if each.key == "no-hungary")
    most = outcome_of(laboratory, held, planned.wave).most
    assert most is None or most["unit"] != "hungary"


@pytest.mark.parametrize(("value", "words"), [(0.04, "0.0"), (-0.04, "0.0"), (2.0, "+2.0"), (-1.25, "−1.2")])
def test_tenths(value: float, words: str) -> None:
    assert tenths(value) == words


def test_every_fault_of_a_file_is_listed(tmp_path: Path, planned: site.SitePlan) -> None:
    path = tmp_path / "scenarios.toml"
    path.write_text(
        """
        [[scenario]]
        key = "one"
        title = "One"
        do = ["remove layer cominter", "prevent hungry regime=soviet"]
        [[scenario]]
        key = "One!"
        titel = "Two"
        do = "remove layer comintern"
        [[scenario]]
        key = "one"
        title = 3
        do = ["remov layer front"]
        """
    )
    reader = QuestionReader(planned.history, planned.model, planned.wave, Limits(), 1)
    with pytest.raises(tc.TocsinError) as caught:
        read_lesson(path, planned.history, reader)
    text = str(caught.value)
    for words in (
        "did you mean 'comintern'",
        "did you mean 'hungary'",
        "small letters",
        "did you mean 'title'",
        "title is missing",
        "do must be a list of texts",
        "two scenarios of this key",
        "title must be a text",
        "did you mean 'remove'",
    ):
        assert words in text, words
    assert f"{path}: " in text


@pytest.mark.parametrize("text", ["", "[[scenario]", "[[scenarios]]\nkey = 'a'", "scenario = 3", "\xff"])
def test_broken_files(tmp_path: Path, planned: site.SitePlan, text: str) -> None:
    path = tmp_path / "scenarios.toml"
    path.write_bytes(text.encode("latin-1"))
    reader = QuestionReader(planned.history, planned.model, planned.wave, Limits(), 1)
    with pytest.raises(tc.TocsinError, match="scenario"):
        read_lesson(path, planned.history, reader)


def own_history(path: Path) -> Path:
    """Write a small history without scenarios, claims or a map."""
    tc.History(
        units={"unit": ["xx", "yy", "zz"], "label": ["Xanadu", "Ys <b>", "Zembla"]},
        events={"unit": ["yy", "zz"], "variable": ["mood"] * 2, "state": ["stirred"] * 2, "time": [4.5, 6.0]},
        ties={"layer": ["songs", "roads"], "source": ["yy", "yy"], "target": ["zz", "xx"]},
        variables=[tc.StateVariable("mood", ["calm", "stirred"])],
        window=(0.0, 10.0),
        title="Somewhere <i>else</i>",
    ).write(path)
    (path / "model.toml").write_text(
        """
        [variables.mood]
        states = ["calm", "stirred"]
        [[transition]]
        variable = "mood"
        from = "calm"
        to = "stirred"
        baseline = "1"
        """
    )
    return path


def test_a_history_without_files_has_its_layers(tmp_path: Path) -> None:
    planned = site.plan(str(own_history(tmp_path / "own")), worlds=60)
    assert planned.tour is None
    assert [each.do for each in planned.scenarios] == [
        ("remove layer songs",),
        ("remove layer roads",),
    ] or len(planned.scenarios) == 2
    model = planned.model
    wave = wave_of(model, None, planned.history)
    assert generic(planned.history, QuestionReader(planned.history, model, wave, Limits(), 1)) == list(
        planned.scenarios
    )
    (first,) = site.publish(planned, tmp_path / "out")
    text = first.read_text(encoding="utf-8")
    assert "<i>" not in text and "Somewhere &lt;i&gt;else" in text and "tour-1.html" not in text
    assert {path.name for path in (tmp_path / "out").glob("worksheet-*.html")} == {
        f"worksheet-{number}.html" for number in (1, 2, 3)
    }
    assert "<b>" not in (tmp_path / "out" / "worksheet-1.html").read_text(encoding="utf-8")


# --- the folder ---------------------------------------------------------------------------------------------


def test_the_folder(folder: Path, planned: site.SitePlan) -> None:
    told = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {*told["files"], "manifest.json", "notes.txt"}
    for name, digest in told["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert sum((folder / name).stat().st_size for name in files) < 5_000_000
    assert told["worlds"] == WORLDS and told["seed"] == 1917 and len(told["scenarios"]) == 12
    assert told["command"] == f"tocsin publish 1917 --to DIR --worlds {WORLDS} --seed 1917"
    assert told["history"]["digest"] == planned.history.digest


def test_pages_name_nothing_that_is_not_there(folder: Path) -> None:
    pages = list(folder.glob("*.html"))
    assert len(pages) == 3 + 8 + 4 + 6
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r'(?:href|src)="([^"]*)"', text):
            if address.startswith(("#", "https://", "http://")):
                continue
            assert (folder / re.split(r"[?#]", address)[0]).is_file(), (page.name, address)
        assert 'type="module"' not in text
        if "worksheet" in page.name or page.name in ("answers.html", "index.html"):
            assert "<script" not in text


def test_the_answers_have_what_the_sheets_leave_blank(folder: Path, planned: site.SitePlan) -> None:
    answers = (folder / "answers.html").read_text(encoding="utf-8")
    sheets = [(folder / f"worksheet-{number}.html").read_text(encoding="utf-8") for number in (1, 2, 3, 4)]
    assert planned.tour is not None
    for step in planned.tour.steps:
        assert step.answer.claim.claim.split("'")[0] in sheets[0]
    assert "It lasted 133 days" in answers and not any("133 days" in sheet for sheet in sheets)
    assert "7 November 1917" in answers and "7 November 1917" not in sheets[1]
    assert all('class="blank' in sheet for sheet in sheets) and 'class="blank' not in answers
    assert "shaded" in answers and 'class="ground shaded"' not in sheets[1]
    for each in planned.scenarios:
        assert each.title in sheets[2] and each.title in answers


def test_again_gives_the_same_and_clears_what_was(folder: Path, tmp_path: Path) -> None:
    small = site.plan(str(own_history(tmp_path / "own")), worlds=60)
    lab = site._laboratory(small, lambda what, done, total: None)
    one, other = (site.Edition(small, each, lambda *_: None) for each in (lab, lab))
    assert one.files() == other.files() and one.one_file() == other.one_file()
    to = tmp_path / "class"
    shutil.copytree(folder, to)
    (to / "tour-9.txt").write_text("mine")
    old = next(to.glob("parts-*"))
    (old / "mine.txt").write_text("mine")
    site.publish(small, to)
    assert not (to / "tour-1.html").exists() and (to / "notes.txt").read_text() == "mine"
    assert [path.name for path in old.iterdir()] == ["mine.txt"] and (to / "tour-9.txt").exists()


def test_a_stopped_run_leaves_the_edition_before_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "class"
    shutil.copytree(folder, to)
    was = {path: path.read_bytes() for path in to.rglob("*") if path.is_file()}
    small = site.plan(str(own_history(tmp_path / "own")), worlds=60)
    written: list[Path] = []

    def stop(path: Path, content: bytes, clear: bool = True) -> None:
        if len(written) % 5 == 4:
            raise KeyboardInterrupt
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        written.append(path)

    monkeypatch.setattr(site, "write_whole", stop)
    with pytest.raises(KeyboardInterrupt):
        site.publish(small, to)
    assert written and {path: path.read_bytes() for path in to.rglob("*") if path.is_file()} == was
    with pytest.raises(KeyboardInterrupt):
        site.publish(small, tmp_path / "fresh")
    assert not (tmp_path / "fresh").exists()


def tocsin(*words: str) -> Result:
    result = CliRunner().invoke(app, list(words))
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_wrong_command_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("<h1>mine</h1>")
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "manifest.json").write_text("{}")
    (tmp_path / "bad.toml").write_text("[[scenario]]\nkey = 'a'\n")
    out = str(tmp_path / "out")
    for words, code, said in (
        (["1917"], 1, "--to class.html"),
        (["1971", "--to", out], 1, "no such folder"),
        (["1917", "--to", str(tmp_path / "file")], 1, "is no folder"),
        (["1917", "--zip", str(tmp_path / "other")], 1, "is a folder"),
        (["1917", "--to", str(tmp_path / "other")], 1, "choose another folder"),
        (["1917", "--to", str(tmp_path / "replay")], 1, "manifest of something else"),
        (["1917", "--to", out, "--scenarios", str(tmp_path / "bad.toml")], 1, "title is missing"),
        (["1917", "--to", out, "--scenarios", str(tmp_path / "none.toml")], 1, "cannot be read"),
        (["1917", "--to", out, "--worlds", "3"], 2, "--worlds"),
        (["1917", "--to", out, "--seed", "-1"], 2, "--seed"),
        (["1917", "--to", out, "--wave", "regime=sovjet"], 1, "did you mean 'soviet'"),
        (["1917", "--to", "/proc/nowhere/class"], 1, "cannot be written"),
    ):
        result = tocsin("publish", *words)
        assert result.exit_code == code and said in result.output, (words, result.output)
    assert (tmp_path / "other" / "index.html").read_text() == "<h1>mine</h1>" and not Path(out).exists()


# --- in a real browser, with the network closed -------------------------------------------------------------

DESK, PHONE, WALL = (1440, 900), (360, 780), (1920, 1080)


class Seen(WatchedPage):
    """A page of the edition from its folder, without a network."""

    def __init__(self, chromium: Any, folder: Path, size: tuple[int, int] = DESK, **options: Any) -> None:
        super().__init__(chromium, size, folder.as_uri(), offline=True, **options)
        self.folder = folder

    def open(self, name: str) -> Any:
        self.page.goto(f"{self.folder.as_uri()}/{name}")
        if name.startswith(("tour", "laboratory")):
            self.ready()
        return self.page


def test_the_tour_is_walked_by_keyboard(chromium: Any, folder: Path, planned: site.SitePlan) -> None:
    assert planned.tour is not None
    seen = Seen(chromium, folder)
    page = seen.open("index.html")
    page.get_by_role("link", name="Tour").focus()
    for number, step in enumerate(planned.tour.steps, start=1):
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"tour-{number}[.]html"))
        seen.ready()
        assert page.locator("#step-title").inner_text() == step.heading
        shown = page.evaluate("[window.tocsinPage.state.get('unit'), window.tocsinPage.state.get('i')]")
        assert shown == [step.units[0], int(step.moment)]
        assert page.title().startswith(f"{number}. ")
        if number < len(planned.tour.steps):
            for _ in range(30):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement.rel") == "next":
                    break
            assert page.evaluate("document.activeElement.rel") == "next"
    seen.close()


def test_it_plays_and_a_what_if_changes_map_and_table(chromium: Any, folder: Path) -> None:
    seen = Seen(chromium, folder)
    page = seen.open("tour-7.html")
    start = page.evaluate("window.tocsinPage.state.get('i')")
    page.keyboard.press("Space")
    page.wait_for_function(f"() => window.tocsinPage.state.get('i') > {start + 3}")
    page.keyboard.press("Space")
    table = page.locator("#table").inner_text()
    page.locator("#try").click()
    seen.changed()
    assert page.locator("#try").get_attribute("aria-pressed") == "true"
    assert page.locator("#right-caption").inner_text() == "Worlds with “No foreign troops against them”"
    assert page.locator("#table").inner_text() != table
    assert page.evaluate("window.tocsinPage.state.get('i')") == start
    assert "do=remove+layer+intervention" in page.evaluate("location.hash") or page.wait_for_function(
        "() => location.hash.includes('do=remove+layer+intervention')"
    )
    page.locator("#go").click()
    seen.changed()
    assert page.locator("#try").get_attribute("aria-pressed") == "false"
    seen.close()


def test_every_what_if_opens_from_the_cover(chromium: Any, folder: Path, planned: site.SitePlan) -> None:
    seen = Seen(chromium, folder)
    page = seen.open("index.html")
    addresses = page.eval_on_selector_all(
        ".whatifs h3 a", "all => all.map((each) => each.getAttribute('href'))"
    )
    assert len(addresses) == 12
    page = seen.open(addresses[10])
    seen.changed()
    assert page.evaluate("window.tocsinPage.state.get('do')") == list(planned.scenarios[10].do)
    for each in (planned.scenarios[3], planned.scenarios[6]):
        page.get_by_role("button", name=each.title, exact=True).click()
        seen.changed()
        assert page.evaluate("window.tocsinPage.difference.do") == list(each.do)
    shown = page.eval_on_selector_all("#show option", "all => all.map((each) => each.value)")
    assert shown == [str(each) for each in planned.shown]
    page.locator("#show").select_option("army=mutinous")
    seen.changed()
    page.locator("#view").select_option("world")
    page.locator("#unit").select_option("mongolia")
    page.wait_for_selector("#story .chart svg")
    with page.expect_download() as coming:
        page.get_by_role("link", name="CSV: place by place").click()
    assert "# changed: " + planned.scenarios[6].do[0] in Path(coming.value.path()).read_text(encoding="utf-8")
    seen.close()


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", PHONE)])
def test_axe_finds_nothing(chromium: Any, folder: Path, scheme: str, size: tuple[int, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the group `browser`").Axe()
    seen = Seen(chromium, folder, size, color_scheme=scheme)
    for name in ("index.html", "tour-5.html", "worksheet-1.html", "worksheet-3.html", "answers.html"):
        page = seen.open(name)
        if name.startswith("tour"):
            page.wait_for_selector("#story svg")
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        found = axe.run(page, options=options)
        wrong = [
            (rule["id"], node["html"][:160], node.get("failureSummary", "")[:300])
            for rule in found.response["violations"]
            for node in rule["nodes"][:3]
        ]
        assert wrong == [], (name, wrong)
    # The policy of the pages of text forbids the script of axe itself, which a browser's own tools may run.
    seen.context.close()


@pytest.mark.parametrize("size", [PHONE, WALL])
def test_nothing_scrolls_sideways(chromium: Any, folder: Path, size: tuple[int, int]) -> None:
    seen = Seen(chromium, folder, size, reduced_motion="reduce")
    for path in sorted(folder.glob("*.html") if size == PHONE else folder.glob("[ilw]*.html")):
        page = seen.open(path.name)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path.name
    seen.close()


def test_worksheets_fit_on_paper(chromium: Any, folder: Path) -> None:
    seen = Seen(chromium, folder)
    for name, most in (("worksheet-1", 2), ("worksheet-2", 2), ("worksheet-3", 2), ("worksheet-4", 2)):
        page = seen.open(f"{name}.html")
        paper = page.pdf(format="A4", prefer_css_page_size=True)
        count = len(re.findall(rb"/Type\s*/Page\b", paper))
        assert 1 <= count <= most, (name, count)
    seen.close()


# --- one file, opened alone ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    """The one file of the same edition."""
    return folder.parent / "class.html"


def test_one_file_holds_all_and_fetches_nothing(alone: Path, planned: site.SitePlan) -> None:
    text = alone.read_text(encoding="utf-8")
    assert len(text.encode()) < 5_000_000
    assert len(planned.scenarios) * 2 <= 40
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]*(?:src|href)=", text)
    assert not re.search(
        r"fetch\(\"(?!api)|XMLHttpRequest|localStorage|sendBeacon", text.split('id="vega"')[0]
    )
    pages = re.findall(r'data-page="([\w-]+)"', text)
    assert pages[0] == "index" and {
        "lesson",
        "predict",
        "how-we-know",
        "quiz",
        "words",
        "sources",
        "answers",
    } < {*pages}
    inside = {*pages, *re.findall(r'data-step="([\w-]+)"', text), *re.findall(r' id="([\w-]+)"', text)}
    for target in re.findall(r'href="#([\w-]+)"', text):
        assert target in inside, target
    assert not re.findall(r'href="[\w-]+\.html', text)


class Alone(WatchedPage):
    """The one file, opened from the disk without a network."""

    def __init__(self, chromium: Any, file: Path, size: tuple[int, int] = DESK, **options: Any) -> None:
        super().__init__(chromium, size, file.as_uri(), offline=True, **options)
        self.page.goto(file.as_uri())

    def show(self, name: str) -> Any:
        self.page.evaluate("(name) => { window.location.hash = name; }", name)
        step = name.startswith(("tour", "laboratory"))
        self.page.wait_for_selector("[data-map]" if step else f'[data-page="{name}"]', state="visible")
        if step:
            self.changed()
        return self.page


def test_one_file_is_walked_from_page_to_page(chromium: Any, alone: Path, planned: site.SitePlan) -> None:
    assert planned.tour is not None
    seen = Alone(chromium, alone)
    page = seen.page
    assert page.locator("main:visible h1").inner_text() == planned.history.title
    page.get_by_role("link", name="Tour").click()
    seen.ready()
    assert page.locator("#step-title").inner_text() == planned.tour.steps[0].heading
    page.locator("#step a[rel=next]").click()
    seen.changed()
    assert page.locator("#step-title").inner_text() == planned.tour.steps[1].heading
    assert page.evaluate("window.tocsinPage.state.get('unit')") == planned.tour.steps[1].units[0]
    page.locator("#try").click()
    seen.changed()
    assert page.locator("#try").get_attribute("aria-pressed") == "true"
    page.go_back()
    assert page.locator("#step-title").inner_text() == planned.tour.steps[0].heading
    page.get_by_role("link", name="Predict").click()
    page.locator("main:visible").get_by_role("link", name="Look at it on the map").first.click()
    seen.changed()
    assert page.evaluate("window.tocsinPage.state.get('do')") == list(planned.lesson.tested[0].do)
    seen.close()


def test_the_quiz_marks_itself_and_agrees_with_the_worlds(
    chromium: Any, alone: Path, planned: site.SitePlan, laboratory: Laboratory
) -> None:
    seen = Alone(chromium, alone)
    page = seen.show("quiz")
    groups = page.locator("main:visible fieldset")
    count = groups.count()
    assert count >= 6 and page.locator(".told:visible").count() == 0
    for place in range(count):
        group = groups.nth(place)
        assert group.locator("input.right").count() == 1
        group.locator("input.wrong").first.check()
        assert group.locator(".told.no").is_visible() and not group.locator(".told.yes").is_visible()
        group.locator("input.right").check()
        assert group.locator(".told.yes").is_visible() and not group.locator(".told.no").is_visible()
    score = page.evaluate("getComputedStyle(document.querySelector('.score .count'), '::before').content")
    assert "counter(right)" in score
    page = seen.show("predict")
    for place, each in enumerate(planned.lesson.tested):
        outcome = outcome_of(laboratory, each, planned.wave)
        group = page.locator("main:visible fieldset").nth(place)
        group.locator("input.right").check()
        assert outcome.average in group.locator(".told.yes").inner_text()
        words = group.locator("input.right + label").inner_text()
        kind = "tell" if not outcome.certain else "more" if outcome.entries["difference"] > 0 else "fewer"
        assert kind in words
    seen.close()


def test_one_file_works_in_a_sandboxed_frame(chromium: Any, alone: Path, tmp_path: Path) -> None:
    frame = tmp_path / "frame.html"
    inside = f'<iframe sandbox="allow-scripts" src="{alone.as_uri()}" width="1200" height="900"></iframe>'
    frame.write_text(f"<title>A frame</title>{inside}")
    seen = WatchedPage(chromium, DESK, "file:", offline=True)
    seen.page.goto(frame.as_uri())
    inner = seen.page.frame_locator("iframe")
    inner.get_by_role("link", name="Laboratory", exact=True).click()
    inner.locator("body[data-ready]:not(.busy)").wait_for()
    assert inner.locator("#maps svg.map").first.is_visible()
    inner.get_by_role("link", name="Quiz", exact=True).click()
    inner.locator("main:visible fieldset").first.wait_for()
    inner.get_by_role("link", name="Start", exact=True).click()
    inner.locator(".whatifs a").first.click()
    inner.locator("#right-caption").wait_for()
    seen.close()


@pytest.mark.parametrize(("scheme", "size"), [("light", PHONE), ("dark", WALL)])
def test_one_file_is_read_by_all(chromium: Any, alone: Path, scheme: str, size: tuple[int, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the group `browser`").Axe()
    seen = Alone(chromium, alone, size, color_scheme=scheme, reduced_motion="reduce")
    for name in ("index", "lesson", "predict", "how-we-know", "quiz", "words", "sources", "tour-5"):
        page = seen.show(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        found = axe.run(page, options=options).response["violations"]
        wrong = [(rule["id"], node["html"][:160]) for rule in found for node in rule["nodes"][:3]]
        assert wrong == [], (name, wrong)
    seen.context.close()


def test_an_archive_holds_the_folder(tmp_path: Path) -> None:
    import zipfile

    small = site.plan(str(own_history(tmp_path / "own")), worlds=60)
    site.publish(small, tmp_path / "out", zipped=tmp_path / "class.zip")
    with zipfile.ZipFile(tmp_path / "class.zip") as archive:
        for name in archive.namelist():
            assert archive.read(name) == (tmp_path / "out" / name.removeprefix("class/")).read_bytes()
        assert len(archive.namelist()) == sum(path.is_file() for path in (tmp_path / "out").rglob("*"))
