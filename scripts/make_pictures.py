"""Draw the pictures of the documents: `uv run python scripts/make_pictures.py`."""

from __future__ import annotations

from pathlib import Path

import vl_convert

from tocsin.show.charts import wave_curve
from tocsin.show.replay import replay

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"


def main() -> None:
    """Replay 1917 with ten thousand worlds and draw the wave against them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    chart = wave_curve(replay("1917").comparison)
    (FOLDER / "wave-1917.svg").write_text(vl_convert.vegalite_to_svg(chart.to_dict()), encoding="utf-8")


if __name__ == "__main__":
    main()
