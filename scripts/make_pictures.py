"""Draw the pictures of the documents: `uv run --all-extras --all-groups python scripts/make_pictures.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vl_convert
from PIL import Image

import tocsin as tc
from tocsin import charts, maps
from tocsin.attribution.calibration import calibration
from tocsin.report.replay import replay

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
    plain = tc.Comparison.of(worlds, model)
    beside = tc.Comparison.of(changed, model, None, worlds)
    attribution = fit.attribute(history)
    wave, day = ("regime", "soviet"), "1919-03-21"
    return {
        "wave_curve": lambda: charts.wave_curve(plain, width=WIDTH),
        "survival_curve": lambda: charts.survival_curve(plain, width=WIDTH),
        "shares": lambda: charts.shares(plain, width=WIDTH),
        "dates": lambda: charts.dates(plain, width=WIDTH),
        "calendar": lambda: charts.calendar(plain, width=WIDTH),
        "map_at": lambda: maps.map_at(worlds, *wave, day, width=WIDTH),
        "difference_map": lambda: maps.difference_map(worlds, changed, *wave, day, width=WIDTH),
        "unit_differences": lambda: charts.unit_differences(beside, width=WIDTH),
        "hazards_by_cause": lambda: charts.hazards_by_cause(fit, history, width=WIDTH),
        "arc_map": lambda: maps.arc_map(attribution, history, variable="regime", state="soviet", width=WIDTH),
        "spark_tree": lambda: charts.spark_tree(attribution, history, "regime=soviet", width=WIDTH),
        "forest": lambda: charts.forest(fit, plain, width=WIDTH),
        "reliability_curve": lambda: charts.reliability_curve(
            calibration(fit, history, worlds=50), "50 worlds of the fitted model, attributed", width=WIDTH
        ),
        "residual_curve": lambda: charts.residual_curve(fit, history, "regime: soviet > old", width=WIDTH),
    }


def main() -> None:
    """Draw the README's picture, ten thousand worlds against the record, and one of each chart."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--out", type=Path, default=FOLDER, help="where to write")
    out = asked.parse_args().out
    folder = out / "charts"
    folder.mkdir(parents=True, exist_ok=True)
    chart = charts.wave_curve(replay("1917").comparison)
    (out / "wave-1917.svg").write_text(vl_convert.vegalite_to_svg(chart.to_dict()), encoding="utf-8")
    for name, draw in pictures().items():
        path = charts.save_chart(draw(), folder / f"{name}.png", scale=SCALE)
        # Few colours are used, so a palette of them makes a small file.
        Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)


if __name__ == "__main__":
    main()
