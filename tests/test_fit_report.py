"""A fit as text, HTML and LaTeX, and on disk."""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.recorded import AGAIN, MOVE, drawn, rioting, turning

import tocsin as tc


@pytest.fixture(scope="module")
def fit() -> tc.Fit:
    model = turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new"))
    truth = {
        f"{MOVE} | baseline | propensity | 1": -3.0,
        f"{MOVE} | baseline | propensity | x": 0.5,
        f"{MOVE} | l | susceptibility | 1": -1.5,
    }
    return model.fit(drawn(model, truth))


@pytest.fixture(scope="module")
def vanished() -> tc.Fit:
    home = turning(tc.baseline())
    model = turning(tc.baseline(), tc.contagion("l", when="s=new"))
    for seed in range(20):
        found = model.fit(drawn(home, {f"{MOVE} | baseline | propensity | 1": -2.5}, seed=seed))
        if "zero" in set(found.status):
            return found
    raise AssertionError


def test_the_report_says_what_was_fitted(fit: tc.Fit) -> None:
    text = str(fit)
    assert text == fit.report()
    assert "Maximum likelihood" in text and MOVE in text
    assert str(fit.nobs) in text and f"AIC {fit.aic:.2f}" in text and f"{fit.loglik:.3f}" in text
    rows = [line.split() for line in text.splitlines()]
    strength = next(row for row in rows if row[:1] == ["strength"])
    summary = fit.summary().iloc[2]
    assert float(strength[1]) == pytest.approx(summary["estimate"], abs=1e-3)
    assert float(strength[5]) == pytest.approx(summary["exp(estimate)"], rel=1e-2)
    assert float(strength[6].strip("(")) == pytest.approx(math.exp(summary["lower"]), rel=1e-2)
    assert sum(fit.causes["events"]) == pytest.approx(fit.nobs)
    assert fit.causes["events"].to_numpy() == pytest.approx(fit.causes["expected"].to_numpy(), rel=1e-6)
    assert max(map(len, text.splitlines())) <= 120
    assert "90%" in fit.report(level=0.9)
    assert "<Fit of 3 parameters" in repr(fit)


@pytest.mark.parametrize("width", [100, 80, 60, 45])
def test_a_narrow_page_keeps_estimates_and_intervals_whole(fit: tc.Fit, width: int) -> None:
    from rich.console import Console

    from tocsin.report.terminal import estimates_table

    page = Console(width=width, record=True, file=io.StringIO())
    page.print(estimates_table(fit, "x"))
    lines = page.export_text().splitlines()
    assert max(map(len, lines)) <= width
    whole = [line.split() for line in fit.report().splitlines()]
    for label in ("rate", "propensity:", "strength"):
        told = next(row for row in whole if row[:1] == [label])
        first = 1 + (label == "propensity:")
        ends = [told[first], *told[first + 2 : first + 4]]
        assert any(all(cell in line.split() for cell in ends) for line in lines)


def test_the_head_tells_the_window_as_the_record_knows_it() -> None:
    state = tc.StateVariable("s", ["old", "new"])
    model = tc.Model([state], [tc.Transition("s", "old", "new", tc.baseline())])
    for window, clock, time, head, hazard in (
        ((0.0, 92.54523836867884), None, 1.5, "History history, 0 to 92.5452", "expected"),
        (("1964", "1973"), "year", "1966", "History history, 1964 to 1973, by the year", "integrated hazard"),
        (
            ("1919-01-01", "1919-02-03"),
            None,
            "1919-01-05",
            "1919-01-01 to 1919-02-03, by the day",
            "expected",
        ),
    ):
        events = {"unit": ["a"], "variable": ["s"], "state": ["new"], "time": [time]}
        history = tc.History({"unit": ["a", "b"]}, events, variables=[state], window=window, clock=clock)
        lines = model.fit(history).report().splitlines()
        assert lines[1].endswith(head)
        assert any(line.startswith("cause") and line.endswith(hazard) for line in lines)


def test_html_and_latex_are_whole(fit: tc.Fit, vanished: tc.Fit) -> None:
    from xml.etree import ElementTree

    for each in (fit, vanished):
        page = ElementTree.fromstring(each._repr_html_())
        assert len(page.findall(".//table")) >= 3
        assert MOVE in "".join(page.itertext())
        tex = each.to_latex()
        assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 3
        assert "old $>$ new" in tex and " | " not in tex.split("% warning")[0]
    assert "ran to zero" in vanished.to_html() and "zero" in vanished.report()


def test_branching_stands_in_the_report() -> None:
    model = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life=1.0))
    truth = {f"{AGAIN} | baseline | propensity | 1": -2.0, f"{AGAIN} | l | susceptibility | 1": -2.0}
    assert "Branching" in model.fit(drawn(model, truth)).report()


def test_a_saved_fit_is_the_same_fit(fit: tc.Fit, vanished: tc.Fit, tmp_path: Path) -> None:
    for each in (fit, vanished):
        each.save(tmp_path / "fit.json")
        read = tc.load_fit(tmp_path / "fit.json")
        assert read.model == each.model and read.digest == each.digest
        assert read.params.equals(each.params) and read.loglik == each.loglik
        assert read.summary().equals(each.summary())
        assert np.array_equal(read.vcov, each.vcov, equal_nan=True)
        assert read.warnings == each.warnings and read.status.equals(each.status)
        assert read.transitions.equals(each.transitions) and read.causes.equals(each.causes)
        with pytest.raises(tc.TocsinError, match=r"tc.load_fit\(path, history\)"):
            read.intervals(level=0.9)
        whole = tc.load_fit(tmp_path / "fit.json", each.history)
        assert whole.intervals(level=0.9).to_numpy() == pytest.approx(each.intervals(level=0.9).to_numpy())
        assert whole.covariance("sandwich").equals(each.covariance("sandwich"))


def test_files_that_are_no_fits_are_refused(fit: tc.Fit, vanished: tc.Fit, tmp_path: Path) -> None:
    with pytest.raises(tc.TocsinError, match="cannot be read"):
        tc.load_fit(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(tc.TocsinError, match="not a saved fit"):
        tc.load_fit(tmp_path / "other.json")
    fit.save(tmp_path / "fit.json")
    with pytest.raises(tc.TocsinError, match="another history"):
        tc.load_fit(tmp_path / "fit.json", vanished.history)
    with pytest.raises(tc.TocsinError, match="other.json"):
        fit.save(tmp_path / "other.json" / "fit.json")  # a file is no folder


def test_a_fit_can_be_pickled(fit: tc.Fit) -> None:
    assert pickle.loads(pickle.dumps(fit)).summary().equals(fit.summary())
