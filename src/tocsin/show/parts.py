"""Parts that charts share: size, title and source, axes of time, labels, and how a chart becomes SVG."""

from __future__ import annotations

import html
import re
import textwrap
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.show.theme import chart_config, colour, with_variables

if TYPE_CHECKING:
    from tocsin.ensemble import Frame
    from tocsin.show.compared import Comparison

WIDE, NARROW = 700, 320
_NAMED = re.compile(r"<title>.*?</title><desc>.*?</desc>", re.DOTALL)
MOST_ROWS = 48  # of a chart with one row a unit


def to_svg(chart: alt.TopLevelMixin) -> str:
    """Return a chart as SVG text that names itself to a screen reader and follows the page's colours."""
    from tocsin.show.save import svg_of

    spec = chart.to_dict()
    label = html.escape(str(spec.get("description", "")), quote=True)
    # In a page the description is the name; a title would also pop up wherever the pointer rests.
    svg = _NAMED.sub("", svg_of(spec), count=1)
    return with_variables(svg.replace('<svg role="img" ', f'<svg role="img" aria-label="{label}" ', 1))


def plain_float(value: Any) -> float:
    """Return a number, nan for None."""
    return float("nan") if value is None else float(value)


def finished(
    chart: Any,
    source: str,
    title: str,
    subtitle: str,
    description: str,
    width: int,
    height: Any,
    titled: bool,
) -> alt.LayerChart:
    """Return a chart with its size, its words and the look of the theme.

    Parameters:
        chart: layers, or a chart of one mark.
        source: where its numbers come from.
        title, subtitle: what it finds, and how it is read.
        description: what is read out instead of the picture.
        width, height: in pixels; a step a row where it has one row a unit.
        titled: whether it carries title, subtitle and source itself (a page may print them).
    """
    options: dict[str, Any] = {"width": width - label_width(width) if _by_unit(height) else width - 60}
    # What a page needs to print the title and the key itself travels with the chart.
    about = {"finding": title, "note": subtitle}
    chart = chart.properties(height=height, description=description, usermeta=about, **options)
    if titled:
        lines = [*_lines(subtitle, width), *_lines(f"Source: {source}", width)]
        chart = chart.properties(title=alt.TitleParams(text=wrapped(title, width), subtitle=lines))
    done: alt.LayerChart = chart.configure(**chart_config())
    return done


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(30, int(width / 6.2)))


def source_line(comparison: Comparison) -> str:
    """Return where a picture's numbers come from."""
    record = comparison.history.citation or comparison.history.title or comparison.history.name
    return f"{record}; {comparison.ensemble.worlds:,} worlds, seed {comparison.ensemble.seed}"


def _by_unit(height: Any) -> bool:
    return isinstance(height, alt.Step)


def cut_note(comparison: Comparison) -> str:
    """Return how many units are shown, where there are more."""
    count = len(comparison.units())
    return f" The first {MOST_ROWS} of {count} units." if count > MOST_ROWS else ""


def label_width(width: int, most: int = 190) -> int:
    """Return the room for the labels of rows, in pixels."""
    return most if width > 500 else min(most, 130)


def clipped(labels: pd.Series, width: int) -> list[str]:
    """Return labels cut to what fits, and told apart where cutting makes them alike."""
    most = 28 if width > 500 else 18
    # What stands in brackets after a name explains it, and goes first where room is short.
    bare = [text if len(text) <= most else text.split(" (")[0] for text in labels.astype(str)]
    cut = [text if len(text) <= most else text[: most - 1].rstrip(" ,(") + "…" for text in bare]
    seen: dict[str, str] = {}
    result = []
    for full, text in zip(labels.astype(str), cut, strict=True):
        while seen.setdefault(text, full) != full:
            text += "\u200b"
        result.append(text)
    return result


def wrapped(text: str, width: int) -> list[str]:
    """Return a title in lines that fit a width in pixels."""
    return textwrap.wrap(text, max(20, int(width / 8.2)))


def times_of(comparison: Comparison, numbers: Any) -> Any:
    """Return clock numbers as dates, or as they are where times are numbers."""
    return comparison.frame.to_dates(np.asarray(numbers, dtype=float)) if comparison.frame.dated else numbers


def time_axis(frame: Frame, ticks: int = 7) -> alt.X:
    """Return the axis of the columns `date`, or `time` where times are numbers."""
    field = "date:T" if frame.dated else "time:Q"
    axis = alt.Axis(title=None if frame.dated else "time", grid=False, labelOverlap=True, tickCount=ticks)
    return alt.X(field, axis=axis, scale=alt.Scale(type="utc") if frame.dated else alt.Scale(nice=False))


def quantile_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose quantiles, named by numbers such as 0.05, have names that charts can read: `q05`."""
    return frame.rename(columns=lambda name: f"q{round(100 * name):02d}" if isinstance(name, float) else name)


def bands(base: Any, axis: alt.Axis, scale: Any = alt.Undefined) -> list[Any]:
    """Return layers of the columns q05 to q95: bands that hold 50 and 90 of 100 worlds, and their thin median.

    Parameters:
        base: a chart of their data with its horizontal axis.
        axis, scale: the vertical ones.
    """
    step: dict[str, Any] = {"interpolate": "step-after"}
    return [
        base.mark_area(color=colour("band-wide"), **step).encode(
            y=alt.Y("q05:Q", axis=axis, scale=scale), y2="q95:Q"
        ),
        base.mark_area(color=colour("band"), **step).encode(y=alt.Y("q25:Q", scale=scale), y2="q75:Q"),
        base.mark_line(color=colour("wave"), strokeWidth=1, **step).encode(y=alt.Y("q50:Q", scale=scale)),
    ]


def x_axis(width: int, title: str | None) -> alt.Axis:
    """Return an axis of time below rows."""
    return alt.Axis(title=title, grid=False, labelOverlap=True, tickCount=7 if width > 500 else 4)


def x_scale(frame: Frame) -> alt.Scale:
    """Return a scale of time that spans the window."""
    if not frame.dated:
        return alt.Scale(domain=[frame.start, frame.end], nice=False)
    first, last = (
        pd.Timestamp(day).strftime("%Y-%m-%d") for day in frame.to_dates(np.array([frame.start, frame.end]))
    )
    return alt.Scale(type="utc", domain=[first, last])


def inline(frame: pd.DataFrame) -> alt.InlineData:
    """Return a frame as inline data with ISO dates: read as UTC, whatever the machine's own time is."""
    plain = frame.copy()
    for column in plain:
        if pd.api.types.is_datetime64_any_dtype(plain[column]):
            plain[column] = plain[column].dt.strftime("%Y-%m-%d").astype(object)
    plain = plain.astype(object).where(plain.notna(), None)
    return alt.InlineData(
        values=[{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
    )
