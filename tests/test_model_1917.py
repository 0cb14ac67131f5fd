"""The packaged model of 1917: it can be read, it fits, and its worlds look like what happened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tocsin as tc
from tocsin.model.declaration import Baseline, Contagion

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "models" / "1917.md"


@pytest.fixture(scope="module")
def history() -> tc.History:
    return tc.load_history("1917")


@pytest.fixture(scope="module")
def model(history: tc.History) -> tc.Model:
    assert history.model_path is not None
    return tc.Model.from_toml(history.model_path)


@pytest.fixture(scope="module")
def fit(history: tc.History, model: tc.Model) -> tc.Fit:
    return model.fit(history)


@pytest.fixture(scope="module")
def worlds(history: tc.History, fit: tc.Fit) -> tc.Ensemble:
    return fit.simulate(history, worlds=300, seed=1917)


def causes(model: tc.Model, move: str) -> dict[str, Contagion | Baseline]:
    transition = next(transition for transition in model.transitions if transition.name == move)
    return {cause.name: cause for cause in transition.causes}


def explained(history: tc.History) -> int:
    """The number of events that the model speaks of: `resistance` is recorded and not explained."""
    return int((history.events["variable"] != "resistance").sum())


def test_it_is_the_same_model_after_a_round_trip(model: tc.Model) -> None:
    assert tc.Model.from_toml(model.to_toml()) == model


def test_every_layer_exists_and_every_move_has_a_reason_at_home(history: tc.History, model: tc.Model) -> None:
    for transition in model.transitions:
        assert any(isinstance(cause, Baseline) for cause in transition.causes), transition.name
        for cause in transition.causes:
            assert isinstance(cause, Baseline) or cause.layer in history.layers, cause


def test_it_speaks_of_what_the_record_offers(history: tc.History, model: tc.Model) -> None:
    republic = causes(model, "regime: old > soviet")
    assert {"common_empire", "language", "land_border", "comintern", "pow_return", "red_army"} < set(republic)
    assert "intervention" in causes(model, "regime: soviet > old")
    assert "front" in causes(model, "army: loyal > mutinous")
    assert "comintern" in causes(model, "party: none > communist")
    used = {getattr(cause, "layer", None) for move in model.transitions for cause in move.causes}
    assert used - {None} == set(history.layers)


def test_it_handles_the_traps(model: tc.Model) -> None:
    text = model.to_toml()
    assert "party_split" not in text and "socialist_vote" not in text and "bolshevik_vote" not in text
    army = causes(model, "regime: old > soviet")["red_army"]
    assert isinstance(army, Contagion) and army.when == "regime=soviet"  # gated by its sender
    for transition in model.transitions:  # troops against a republic need a republic
        layers = {getattr(cause, "layer", "") for cause in transition.causes}
        assert "intervention" not in layers or transition.origin == ("soviet",)


def test_it_converges_without_a_degenerate_term(history: tc.History, model: tc.Model, fit: tc.Fit) -> None:
    gone = [name for name, value in fit.params.items() if value == -np.inf]
    # The null findings that are kept, so that "without it" stays a question with an upper bound.
    assert gone == [
        "regime: old > soviet | land_border | susceptibility | 1",
        "regime: old > soviet | comintern | susceptibility | 1",
        "army: loyal > mutinous | front | susceptibility | 1",
    ]
    assert not [
        text for text in fit.warnings if "converge" in text or "bound;" in text or "minus inf" in text
    ]
    assert set(fit.status) == {"free", "zero"}
    program = model.compile(history)
    gradient = dict(zip(program.parameter_names, program.gradient(fit.params), strict=True))
    assert max(abs(value) for name, value in gradient.items() if name not in gone) < 1e-6
    table = fit.summary().drop(index=gone)
    assert np.isfinite(table[["estimate", "se"]]).all(axis=None)
    assert table["se"].max() < 5 and table["estimate"].abs().max() < 20


def test_what_happened_is_reached_by_some_cause(history: tc.History, fit: tc.Fit) -> None:
    shares = fit.attribute(history).causes.groupby("event")["share"].sum()
    assert len(shares) == explained(history)
    np.testing.assert_allclose(shares, 1.0, atol=1e-12)


def test_every_cause_explains_as_much_as_it_expects(history: tc.History, fit: tc.Fit) -> None:
    """At a maximum the shares of a cause with a free strength sum to its integrated hazard."""
    total = fit.attribute(history).total()["events explained"].sum()
    assert total == pytest.approx(explained(history), rel=1e-9)
    np.testing.assert_allclose(fit.causes["events"], fit.causes["expected"], rtol=1e-6, atol=1e-6)


def test_what_happened_lies_among_the_worlds(history: tc.History, worlds: tc.Ensemble) -> None:
    events = history.events
    for variable, state in (
        ("regime", "soviet"),
        ("army", "mutinous"),
        ("labour", "strike"),
        ("order", "rising"),
        ("party", "communist"),
    ):
        happened = ((events["variable"] == variable) & (events["state"] == state)).sum()
        low, high = worlds.counts(variable, state)["entries"].quantile([0.025, 0.975])
        assert low <= happened <= high, (variable, low, happened, high)


def test_no_world_is_dead_and_none_explodes(history: tc.History, fit: tc.Fit, worlds: tc.Ensemble) -> None:
    assert not worlds.stopped.size  # over the draws of the parameters none goes on without end
    worlds = fit.simulate(history, worlds=300, seed=1917, draws="best")
    counts = worlds.counts("regime", "soviet")["entries"]
    assert (counts > 0).mean() > 0.95
    each = worlds.events.group_by("world").aggregate([("time", "count")])["time_count"].to_numpy()
    assert len(each) == worlds.worlds and each.max() < 2 * len(history.events) < 6 * each.min()
    standing = worlds.curve("regime", "soviet", quantiles=(0.95,))[0.95]
    assert standing.max() < 0.4 * len(history.units)


def test_the_order_within_a_day_is_put_right(history: tc.History, model: tc.Model, fit: tc.Fit) -> None:
    sys.path.insert(0, str(REPO / "scripts"))
    try:
        from choices_1917 import Numbered
    finally:
        sys.path.pop(0)
    numbered = Numbered(history)
    undrawn = model.with_params(fit.params).log_likelihood(numbered.draw(None))
    assert undrawn == pytest.approx(fit.loglik, abs=1e-8)
    drawn = numbered.draw(np.random.default_rng(1))
    assert model.with_params(fit.params).log_likelihood(drawn) != pytest.approx(fit.loglik, abs=1e-3)
    dated = history.events.sort_values(["unit", "variable", "time"])["episodes"].tolist()
    assert drawn.events.sort_values(["unit", "variable", "time"])["episodes"].tolist() == dated


def test_the_page_holds_what_the_script_prints() -> None:
    script = [
        sys.executable,
        str(REPO / "scripts" / "model_1917.py"),
        "--check",
        "facts",
        "shares",
        "choices",
    ]
    run = subprocess.run(script, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    page = PAGE.read_text(encoding="utf-8")
    for name in ("estimates", "layers", "memory", "rivals", "order", "ensemble", "places", "removed"):
        text = page.split(f"<!-- {name} -->\n")[1].split(f"<!-- end of {name} -->")[0]
        assert text.count("|") > 10, name
