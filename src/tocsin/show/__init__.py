"""Pictures, tables and reports of results; the job that makes them all.

Every chart is a function that takes a result and returns an Altair chart with title, units, source line and a
text alternative; `save_chart` writes it as SVG, PNG or HTML that needs no network.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.show.arcs import arcs as arc_map
    from tocsin.show.causes import hazards_by_cause
    from tocsin.show.charts import calendar, dates, forest, shares, wave_curve
    from tocsin.show.checked import reliability_curve, residual_curve
    from tocsin.show.compared import Comparison
    from tocsin.show.differences import unit_differences
    from tocsin.show.map import border_map, difference_map, map_at
    from tocsin.show.save import save as save_chart
    from tocsin.show.survival import survival_curve
    from tocsin.show.tree import spark_tree

# name: (module, name there). No name is that of a module, which would take its place once it is imported.
_WHERE = {
    "Comparison": ("compared", "Comparison"),
    "arc_map": ("arcs", "arcs"),
    "border_map": ("map", "border_map"),
    "calendar": ("charts", "calendar"),
    "dates": ("charts", "dates"),
    "difference_map": ("map", "difference_map"),
    "forest": ("charts", "forest"),
    "hazards_by_cause": ("causes", "hazards_by_cause"),
    "map_at": ("map", "map_at"),
    "reliability_curve": ("checked", "reliability_curve"),
    "residual_curve": ("checked", "residual_curve"),
    "save_chart": ("save", "save"),
    "shares": ("charts", "shares"),
    "spark_tree": ("tree", "spark_tree"),
    "survival_curve": ("survival", "survival_curve"),
    "unit_differences": ("differences", "unit_differences"),
    "wave_curve": ("charts", "wave_curve"),
}

__all__ = [
    "Comparison",
    "arc_map",
    "border_map",
    "calendar",
    "dates",
    "difference_map",
    "forest",
    "hazards_by_cause",
    "map_at",
    "reliability_curve",
    "residual_curve",
    "save_chart",
    "shares",
    "spark_tree",
    "survival_curve",
    "unit_differences",
    "wave_curve",
]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        module, own = _WHERE[name]
        return getattr(import_module(f"tocsin.show.{module}"), own)
    raise AttributeError(f"module 'tocsin.show' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
