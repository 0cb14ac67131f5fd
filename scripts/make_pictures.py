"""Draw the pictures of the documents: `uv run --all-extras --all-groups python scripts/make_pictures.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import vl_convert
from PIL import Image

import tocsin as tc
from tocsin import show
from tocsin.infer.calibration import calibration
from tocsin.show.replay import replay

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
WIDTH, SCALE = 560, 1.0
CHANGE = "remove layer red_army"


def pictures() -> dict[str, Callable[[], Any]]:
    """Return what draws each picture of docs/charts.md, by name."""
    history = tc.load_history("1917")
    model = tc.Model.from_toml(str(history.model_path))
    fit = model.fit(history)
    worlds = fit.simulate(history, worlds=2000, seed=1917)
    changed = fit.simulate(history, worlds=2000, seed=1917, interventions=[CHANGE])
    plain = show.Comparison.of(worlds, model)
    beside = show.Comparison.of(changed, model, None, worlds)
    attribution = fit.attribute(history)
    wave, day = ("regime", "soviet"), "1919-03-21"
    return {
        "wave_curve": lambda: show.wave_curve(plain, width=WIDTH),
        "survival_curve": lambda: show.survival_curve(plain, width=WIDTH),
        "shares": lambda: show.shares(plain, width=WIDTH),
        "dates": lambda: show.dates(plain, width=WIDTH),
        "calendar": lambda: show.calendar(plain, width=WIDTH),
        "map_at": lambda: show.map_at(worlds, *wave, day, width=WIDTH),
        "difference_map": lambda: show.difference_map(worlds, changed, *wave, day, width=WIDTH),
        "unit_differences": lambda: show.unit_differences(beside, width=WIDTH),
        "hazards_by_cause": lambda: show.hazards_by_cause(fit, history, width=WIDTH),
        "arc_map": lambda: show.arc_map(attribution, history, variable="regime", state="soviet", width=WIDTH),
        "spark_tree": lambda: show.spark_tree(attribution, history, "regime=soviet", width=WIDTH),
        "forest": lambda: show.forest(fit, plain, width=WIDTH),
        "reliability_curve": lambda: show.reliability_curve(
            calibration(fit, history, worlds=50), "50 worlds of the fitted model, attributed", width=WIDTH
        ),
        "residual_curve": lambda: show.residual_curve(fit, history, "regime: soviet > old", width=WIDTH),
    }


def main() -> None:
    """Draw the README's picture, ten thousand worlds against the record, and one of each chart."""
    charts = FOLDER / "charts"
    charts.mkdir(parents=True, exist_ok=True)
    chart = show.wave_curve(replay("1917").comparison)
    (FOLDER / "wave-1917.svg").write_text(vl_convert.vegalite_to_svg(chart.to_dict()), encoding="utf-8")
    for name, draw in pictures().items():
        path = show.save_chart(draw(), charts / f"{name}.png", scale=SCALE)
        # Few colours are used, so a palette of them makes a small file.
        Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    main()
