"""The report: self-contained, escaped, its sentences equal to what the results say, for any history."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from helpers.road import MODEL, NASTY, small_history

from tocsin.history.history import History
from tocsin.model.model import Model
from tocsin.report.findings import answer, headline, what_happened, what_moved
from tocsin.report.replay import Replay, replay
from tocsin.report.report import report_html
from tocsin.states import StateVariable

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collect the tags of a page with their attributes, and check that they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def plain() -> Replay:
    return replay(small_history(), Model.from_toml(MODEL), worlds=80)


@pytest.fixture(scope="module")
def changed() -> Replay:
    return replay(small_history(), Model.from_toml(MODEL), worlds=80, do=["remove layer road"])


@pytest.mark.parametrize("which", ["plain", "changed"])
def test_the_page_is_whole_and_fetches_nothing(which: str, request: pytest.FixtureRequest) -> None:
    text = report_html(request.getfixturevalue(which))
    assert len(text.encode()) < 5_000_000
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "img", "link", "iframe", "object", "image"), tag
        for name, value in attributes.items():
            assert not name.startswith("on")
            if (
                "://" in (value or "") and not name.startswith("xmlns") and name != "aria-label"
            ):  # read out, not fetched
                assert (tag, name) == ("a", "href"), (tag, name, value)
    assert "url(http" not in text
    assert "@import" not in text
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) >= 8
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert attributes["aria-label"]


def test_text_from_data_is_never_markup(plain: Replay) -> None:
    text = report_html(plain)
    assert "<script" not in text
    assert "alert(&#x27;x&#x27;)" in text
    assert "<b>A small" not in text
    assert 'href="https://example.org/book?a=1&amp;b=2"' in text
    assert NASTY not in text


def test_sentences_say_what_the_results_say(plain: Replay) -> None:
    c = plain.comparison
    entries = c.ensemble.counts("regime", "soviet")["entries"]
    middle = sorted(entries)[39]
    assert "4 entries into regime “soviet”" in headline(c)
    assert f"the median is {middle:g} " in answer(c)
    happened = " ".join(what_happened(c))
    assert "4 units of 6" in happened
    assert "Aa, on 4 January 1919" in happened
    assert "highest on 30 January 1919, with 3 units" in happened
    assert "2 spells ended" in happened
    assert "Aa, after 16 days" in happened
    assert "Bb, after 32 days" in happened
    assert "Cc and Ee" in happened


def test_events_explained_and_events_caused_are_told_by_name(plain: Replay) -> None:
    told = " ".join(what_moved(plain).sentences)
    assert plain.draws is not None
    given = plain.comparison.model.with_params(plain.parameters)
    table = given.attribute(plain.comparison.history, plain.draws).select(into(plain)).total("cause")
    for row in table.to_dict("records"):
        name = "home" if row["cause"] == "baseline" else row["cause"]
        ends = f"{row['lower']:.1f} to {row['upper']:.1f}"
        assert f"{name} {row['events explained']:.1f} ({ends})" in told
        assert f"{name} {row['caused lower']:.0f} to {row['caused upper']:.0f}" in told
    assert "Events explained" in told and "Events caused" in told
    best = replay(small_history(), Model.from_toml(MODEL), worlds=20, draws="best")
    assert "Events caused" not in " ".join(what_moved(best).sentences)


def into(found: Replay) -> list[str]:
    c = found.comparison
    return [t.name for t in c.model.transitions if (t.variable, t.to) == (c.wave.variable, c.wave.state)]


def test_a_change_is_told_with_its_difference(changed: Replay) -> None:
    c = changed.comparison
    assert c.baseline is not None
    assert c.difference is not None
    assert headline(c).startswith("Without road: ")
    assert f"is {c.entries.median:g} with it and {c.entries_unchanged.median:g} without" in answer(c)
    assert "remove layer road" in report_html(changed)


def test_every_event_of_the_wave_has_its_source(plain: Replay) -> None:
    text = report_html(plain)
    section = text[text.index("Sources of what happened") :]
    assert section.count("Confidence:") == 6
    assert "4 January 1919" in section
    assert "no source" in section


def test_numbers_as_times_and_no_events_at_all() -> None:
    numeric = replay(small_history(dated=False), Model.from_toml(MODEL), worlds=10)
    text = report_html(numeric)
    assert "highest on 30, with 3 units" in text
    never = StateVariable("mood", ["calm", "loud"])
    empty = History({"unit": ["a", "b"]}, variables=[never], window=("1848-01-01", "1848-12-31"), name="none")
    model = Model.from_toml(
        '[variables.mood]\nstates = ["calm", "loud"]\n[[transition]]\nvariable = "mood"\nfrom = "calm"\n'
        'to = "loud"\nbaseline = "1"\n'
    )
    given = model.with_params({"mood: calm > loud | baseline | propensity | 1": -4.0})
    from tocsin.ensemble.comparison import Comparison
    from tocsin.model.followed_state import wave_of

    quiet = Comparison(empty, model, wave_of(model), given.simulate(empty, worlds=5, seed=1))
    fit = {"loglik": 0.0, "estimates": [], "warnings": [], "transitions": [], "params": {}, "learned": {}}
    text = report_html(Replay(quiet, {}, fit, "none"))
    Page(text)
    assert re.search("No unit came into mood “loud”", text)
