"""Parts that charts share: size, title and source, axes of time, labels, and how a chart becomes SVG."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np
import pandas as pd

from tocsin.charts.svg import COLOURS, page_svg, still, svg_of, title_of
from tocsin.errors import TocsinError, suggestion
from tocsin.files.whole import write_whole

if TYPE_CHECKING:
    from tocsin.ensemble.comparison import Comparison
    from tocsin.ensemble.frame import Frame

WIDE, NARROW = 700, 320

MOST_ROWS = 48  # of a chart with one row a unit of the record
TELLING = 16  # of a chart of units in worlds: what a page of paper can be read by; all stand in a table


@contextmanager
def unchecked() -> Iterator[None]:
    """Make charts of our own without looking at Altair's schema at every step: tests do, and it takes half the time."""
    from altair.utils import schemapi

    with schemapi.debug_mode(False):
        yield


def to_svg(chart: alt.TopLevelMixin) -> str:
    """Return a chart as SVG text that names itself to a screen reader and follows the page's colours."""
    return page_svg(chart.to_dict(validate=False))


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


def telling(comparison: Comparison) -> pd.DataFrame:
    """Return the rows of `Comparison.units` that a picture has room for, in their order.

    Half of them are those in most worlds, the rest those on which the record and the worlds differ most.
    """
    table = comparison.units()
    if len(table) <= TELLING:
        return table
    likely = table["share"].sort_values(ascending=False, kind="stable").index[: TELLING // 2]
    apart = ((table["observed_spells"] > 0) - table["share"]).abs().drop(likely)
    odd = apart.sort_values(ascending=False, kind="stable").index[: TELLING - len(likely)]
    return table[table.index.isin([*likely, *odd])]


def cut_note(comparison: Comparison) -> str:
    """Return which units are shown, where there are more."""
    count = len(comparison.units())
    if count <= TELLING:
        return ""
    return f" {TELLING} of {count} units: those in most worlds, and those on which record and worlds differ most."


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
            y=alt.Y("q05:Q", axis=axis, scale=scale), y2=alt.Y2("q95:Q")
        ),
        base.mark_area(color=colour("band"), **step).encode(
            y=alt.Y("q25:Q", scale=scale), y2=alt.Y2("q75:Q")
        ),
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


class Shared(alt.InlineData):
    """Inline data that the copies of a chart share: Altair copies a chart at every step, and rows never change."""

    def __deepcopy__(self, memo: Any = None) -> Shared:
        return self


def inline(frame: pd.DataFrame) -> alt.InlineData:
    """Return a frame as inline data with ISO dates: read as UTC, whatever the machine's own time is."""
    plain = frame.copy()
    for column in plain:
        if pd.api.types.is_datetime64_any_dtype(plain[column]):
            plain[column] = plain[column].dt.strftime("%Y-%m-%d").astype(object)
    plain = plain.astype(object).where(plain.notna(), None)
    return Shared(
        values=[{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]
    )


# --- The look: colours, type and the style sheet. Every chart and page reads them here and nowhere
#     else
#
# Colours are safe for colour-blind readers (after Okabe & Ito 2008); each has a light and a dark form.

SERIF = "Charter, 'Bitstream Charter', 'Iowan Old Style', 'Source Serif 4', Georgia, serif"

SANS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

# Causes in their order have these colours; a baseline is home, and some layers have one of their own.
OF_CAUSES = ("less", "unrest", "kin", "mutiny", "news", "rising", "force", "wave")

OF_LAYERS = {"comintern": "wave", "front": "mutiny", "intervention": "force", "red_army": "force"}


def colour(name: str) -> str:
    """Return the light form of a colour, as charts are drawn."""
    return COLOURS[name][0]


def chart_config() -> dict[str, Any]:
    """Return the Vega-Lite configuration that all charts share."""
    text = {"labelFont": SANS, "titleFont": SANS, "labelColor": colour("ink"), "titleColor": colour("quiet")}
    return {
        "background": colour("paper"),
        "font": SANS,
        "view": {"stroke": None},
        "axis": {
            **text,
            "domainColor": colour("hairline"),
            "gridColor": colour("hairline"),
            "gridOpacity": 0.7,
            "tickColor": colour("hairline"),
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
        },
        "legend": {**text, "labelFontSize": 12, "titleFontSize": 12, "symbolType": "square"},
        "title": {
            "font": SERIF,
            "fontSize": 17,
            "fontWeight": "bold",
            "anchor": "start",
            "color": colour("ink"),
            "subtitleFont": SANS,
            "subtitleFontSize": 12,
            "subtitleColor": colour("quiet"),
            "offset": 12,
        },
        "text": {"font": SANS, "fontSize": 12, "color": colour("ink")},
    }


def fonts() -> str:
    """Return the type as variables of CSS."""
    return f"--serif:{SERIF};--sans:{SANS}"


def colours(dark: bool = False) -> str:
    """Return the light or the dark form of all colours as variables of CSS."""
    return ";".join(f"--{name}:{pair[dark]}" for name, pair in COLOURS.items())


def theme_css() -> str:
    """Return colours and type as variables of a whole page: light, dark and print."""
    return (
        f":root{{color-scheme:light dark;{fonts()};{colours()}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{colours(dark=True)}}}}}\n"
        # Paper is white whatever the screen is.
        f"@media print{{:root{{{colours()};--paper:#fff}}}}\n"
    )


def style_sheet() -> str:
    """Return the style of a page: light, dark and print, from 360 px up."""
    return theme_css() + _STYLE


_STYLE = """
*{box-sizing:border-box}
html{font-size:17px;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font-family:var(--serif);line-height:1.5}
main{max-width:46rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 1rem;text-wrap:balance}
h2{font-size:1.35rem;line-height:1.25;margin:3rem 0 .8rem;text-wrap:balance}
h3{font-size:1.05rem;line-height:1.3;margin:0 0 .2rem}
p,ul,ol{margin:0 0 1rem;max-width:68ch}
li{margin-bottom:.4rem}
a{color:inherit;text-decoration-color:var(--quiet);text-underline-offset:.15em;overflow-wrap:anywhere}
a:focus-visible,.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--wave);outline-offset:2px}
.over{font:600 .82rem var(--sans);color:var(--quiet);margin:0}
.quiet,figcaption,.source{color:var(--quiet)}
figcaption,.source{font:.82rem/1.45 var(--sans)}
.answer{border-left:3px solid var(--wave);padding-left:1rem;font-size:1.1rem}
figure{margin:2rem 0}
figure svg{display:block;max-width:100%;height:auto;margin:.6rem 0 .3rem;overflow:visible}
.narrow{display:none}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font:.82rem/1.35 var(--sans);font-variant-numeric:tabular-nums;width:100%}
caption{text-align:left;font:600 .9rem var(--sans);padding-bottom:.4rem}
th,td{padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--hairline);text-align:left}
th,td{vertical-align:top}
.kept td{white-space:nowrap}.kept tbody th{min-width:9rem}
thead th{color:var(--quiet);font-weight:500;border-bottom-color:var(--quiet);vertical-align:bottom}
td.n,th.n{text-align:right}
tbody th{font-weight:500}
.warn{border-left:3px solid var(--more);padding-left:1rem}
code,pre{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.8rem}
pre{overflow-x:auto;border:1px solid var(--hairline);padding:.8rem;line-height:1.4}
code{overflow-wrap:anywhere}
details{margin:1rem 0}summary{cursor:pointer;font:.9rem var(--sans)}
.sources{list-style:none;padding:0;font:.82rem/1.45 var(--sans);max-width:none}
.claims{list-style:none;padding:0;max-width:none}
.claims li{padding:.7rem 0;border-bottom:1px solid var(--hairline);margin:0}
.claims p{margin:.2rem 0}.claims details{margin:.3rem 0}.claims summary{font-size:.8rem;color:var(--quiet)}
.sources li{padding:.4rem 0;border-bottom:1px solid var(--hairline);margin:0;overflow-wrap:anywhere}
@media screen and (min-width:1100px){.kept{width:64rem;margin-left:calc(50% - 32rem)}}
@media (max-width:640px){main{padding-top:1rem}h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.2rem}
.wide{display:none!important}.narrow{display:block!important}}
@page{size:A4;margin:7mm}
@media print{html{font-size:7.8pt}main{max-width:none;padding:0}body{line-height:1.32}
h1{font-size:1.7rem}p,ul,ol{max-width:none;margin-bottom:.5rem}h2{margin:1rem 0 .35rem}
figure{margin:.5rem 0}figure svg{max-height:8cm;margin-left:0}figcaption{font-size:.64rem}h3{font-size:.95rem}
.wide{display:block!important}.narrow{display:none!important}
.pair{columns:2;column-gap:8mm}.pair svg{max-height:6.9cm;width:auto}
.pair .wide{display:none!important}.pair .narrow{display:block!important}
tr,.sources li,.claims li{break-inside:avoid}figure{break-inside:avoid}h2,h3,caption{break-after:avoid}
.scroll{overflow:visible;margin:.6rem 0}table{font-size:5.9pt;line-height:1.05}th,td{padding:.02rem .4rem .02rem 0}
.kept tbody th{min-width:0}tbody th{white-space:nowrap}
details{display:none}.sources{columns:4;column-gap:3.5mm;font-size:4.7pt;line-height:1.13}
.sources li{padding:.12rem 0}.sources a{text-decoration:none}
.claims{columns:3;column-gap:5mm;font-size:6.4pt;line-height:1.22}.claims li{padding:.2rem 0}
.claims h3{font-size:6.9pt;margin:0}.claims p{margin:0}.claims .source{font-size:5.4pt;line-height:1.15}
p.source{font-size:5.8pt;line-height:1.15;margin:.1rem 0}}
"""


# --- Charts as files: SVG, PNG and HTML that need no network, in the light or the dark colours

FORMATS = ("svg", "png", "html")


def save_chart(chart: alt.TopLevelMixin, path: str | Path, *, dark: bool = False, scale: float = 2.0) -> Path:
    """Write a chart as SVG, PNG or HTML, by the ending of the path, and return the path.

    Parameters:
        chart: any chart.
        path: ends in .svg, .png or .html; an HTML file carries all that it needs.
        dark: whether to draw it in the dark colours.
        scale: pixels of a PNG for one of the chart.

    Raises:
        TocsinError: another ending, or the file cannot be written.

    Example:
        >>> import altair as alt
        >>> import tocsin as tc
        >>> tc.charts.save_chart(alt.Chart({"values": [{"x": 1}]}).mark_point(), "point.svg").name
        'point.svg'
    """
    import vl_convert

    target = Path(path)
    kind = target.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise TocsinError(
            f"{target.name}: a chart is saved as .svg, .png or .html" + suggestion(kind, FORMATS)
        )
    spec = coloured(chart.to_dict(), dark)
    if kind == "svg":
        write_whole(target, svg_of(spec))
    elif kind == "png":
        write_whole(target, vl_convert.vegalite_to_png(still(spec), scale=scale))
    else:
        page = vl_convert.vegalite_to_html(spec, bundle=True)
        title = html.escape(title_of(spec) or "Tocsin")
        paper = COLOURS["paper"][dark]
        head = f"<title>{title}</title><style>body{{margin:1rem;background:{paper}}}</style>"
        write_whole(target, page.replace("<head>", f"<head>{head}", 1))
    return target


def coloured(spec: Any, dark: bool) -> Any:
    """Return a specification with the theme's light colours replaced by the dark ones, if asked for."""
    if not dark:
        return spec
    swap = {light.casefold(): night for light, night in COLOURS.values()}
    return _swapped(spec, swap)


def _swapped(item: Any, swap: dict[str, str]) -> Any:
    if isinstance(item, dict):
        # Data hold no colours, and a map holds much of them.
        return {k: v if k in ("datasets", "values") else _swapped(v, swap) for k, v in item.items()}
    if isinstance(item, list):
        return [_swapped(each, swap) for each in item]
    return swap.get(item.casefold(), item) if isinstance(item, str) and item.startswith("#") else item
