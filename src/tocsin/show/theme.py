"""The look: colours, type and the style sheet. Every chart and page reads them here and nowhere else.

Colours are safe for colour-blind readers (after Okabe & Ito 2008); each has a light and a dark form.
"""

from __future__ import annotations

from typing import Any

SERIF = "Charter, 'Bitstream Charter', 'Iowan Old Style', 'Source Serif 4', Georgia, serif"
SANS = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"

# name: (light, dark). Charts are drawn in the light colours; a page turns them into variables.
COLOURS = {
    "paper": ("#FBF8F1", "#15171A"),
    "ink": ("#1E1E1C", "#ECE7DB"),
    "quiet": ("#6F6B61", "#A39F94"),
    "hairline": ("#D8D2C4", "#34373B"),
    "old": ("#E4DECF", "#2C2F33"),
    "wave": ("#6A3D8F", "#B48FD6"),
    "band": ("#C9B8D8", "#4C3A5E"),
    "band-wide": ("#E6DCEC", "#2E2638"),
    "unrest": ("#E0A030", "#E0A030"),
    "mutiny": ("#4E9BC9", "#4E9BC9"),
    "rising": ("#D1662A", "#DD7A42"),
    "less": ("#2F6DA3", "#6FA8D6"),
    "more": ("#C8781E", "#E0973F"),
    # Causes beside those whose colour is one of the above.
    "home": ("#A39D8F", "#7F7A70"),
    "force": ("#3C7A57", "#5FA97F"),
    "kin": ("#B5628C", "#CF8BAF"),
    "news": ("#8C6A2F", "#B8975A"),
}

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


def with_variables(svg: str) -> str:
    """Return an SVG whose colours are the page's variables, so that it follows light and dark."""
    for name, (light, _) in COLOURS.items():
        svg = svg.replace(f'"{light}"', f'"var(--{name})"').replace(f'"{light.lower()}"', f'"var(--{name})"')
    return svg


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
@page{size:A4;margin:9mm}
@media print{html{font-size:8.2pt}main{max-width:none;padding:0}body{line-height:1.32}
h1{font-size:1.7rem}p,ul,ol{max-width:none;margin-bottom:.5rem}h2{margin:1rem 0 .35rem}
figure{margin:.5rem 0}figure svg{max-height:9cm;margin-left:0}figcaption{font-size:.64rem}h3{font-size:.95rem}
.wide{display:block!important}.narrow{display:none!important}
.pair{columns:2;column-gap:8mm}.pair svg{max-height:8.4cm;width:auto}
.pair .wide{display:none!important}.pair .narrow{display:block!important}
tr,.sources li,.claims li{break-inside:avoid}figure{break-inside:avoid}h2,h3,caption{break-after:avoid}
.scroll{overflow:visible;margin:.6rem 0}table{font-size:5.9pt;line-height:1.05}th,td{padding:.02rem .4rem .02rem 0}
.kept tbody th{min-width:0}tbody th{white-space:nowrap}
details{display:none}.sources{columns:4;column-gap:3.5mm;font-size:4.9pt;line-height:1.13}
.sources li{padding:.12rem 0}.sources a{text-decoration:none}
.claims{columns:3;column-gap:5mm;font-size:6.6pt;line-height:1.22}.claims li{padding:.2rem 0}
.claims h3{font-size:6.9pt;margin:0}.claims p{margin:0}.claims .source{font-size:5.4pt;line-height:1.15}}
"""
