"""A fit as a page: what was fitted and on what, estimates, shares of causes, statistics, warnings."""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING

from tocsin.history.clock import noun
from tocsin.infer.summary import legend, number, rows
from tocsin.program.grouped import is_grouped

if TYPE_CHECKING:
    from tocsin.infer.estimates import Fit

WIDTH = 110


def estimates(fit: Fit, level: float) -> tuple[list[tuple[str, list[list[str]]]], list[str]]:
    """Return the estimates cause by cause (a heading, and rows of a label and cells), and what they mean."""
    table = fit.summary(level)
    blocks: list[tuple[str, list[list[str]]]] = []
    for row in rows(table, fit._status):
        if not blocks or blocks[-1][0] != row.cause:
            blocks.append((row.cause, []))
        blocks[-1][1].append([row.label, *row.cells])
    return blocks, legend(table, fit.prior is not None, level, fit.learned)


def _head(fit: Fit) -> list[str]:
    what = "Maximum likelihood" if fit.prior is None else f"Penalised likelihood, {fit.prior}"
    lines = [what]
    if fit._search is not None:
        history = fit.history
        clock = history._clock
        ends = [clock.text(end) if history.dated else f"{end:.6g}" for end in (clock.first, clock.last)]
        known = f", by the {noun(history.clock)}" if history.dated or history.grouped else ""
        lines.append(f"History {history.title or history.name}, {ends[0]} to {ends[1]}{known}")
    return lines


def _statistics(fit: Fit) -> list[tuple[str, str]]:
    rows = [("log-likelihood", f"{fit.loglik:.3f}")]
    if fit.loglik_error > 0.0:
        rows.append(("Monte-Carlo error", f"{fit.loglik_error:.2g}"))
    if fit.prior is not None:
        rows.append(("penalised", f"{fit.objective:.3f}"))
    return [
        *rows,
        ("parameters", str(fit.df)),
        ("events", str(fit.nobs)),
        ("AIC", f"{fit.aic:.2f}"),
        ("BIC", f"{fit.bic:.2f}"),
    ]


def columns(level: float) -> list[str]:
    """Return the heads of the table of estimates, that of the labels first."""
    return ["", "estimate", "se", f"lower {level:.0%}", f"upper {level:.0%}", "exp(estimate)", "p", "note"]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _tables(fit: Fit) -> list[tuple[str, list[list[str]]]]:
    """Return the tables of transitions, of causes and of branching, as text."""
    moves = [["transition", "events", "exposure time", "units at risk"]]
    for row in fit.transitions.itertuples(index=False):
        moves.append([str(row.transition), str(row.events), f"{row.exposure:,.1f}", str(row.units)])
    # In grouped time an interval of hazard L has its event with probability 1 - exp(-L) only.
    grouped = fit._search is not None and is_grouped(fit.history)
    causes = [["cause", "events explained", "share", "integrated hazard" if grouped else "expected"]]
    for row in fit.causes.itertuples(index=False):
        name = f"{row.transition}, {row.cause}"
        causes.append([name, f"{row.events:.1f}", f"{row.share:.1%}", f"{row.expected:.1f}"])
    tables = [("Transitions", moves), ("Shares of causes", causes)]
    branching = fit.branching()
    if len(branching):
        rows = [["half-life cause", "half-life", "events set off by one", "lower", "upper"]]
        for row in branching.itertuples(index=False):
            cells = [number(float(str(value))) for value in (row.half_life, row.mass, row.lower, row.upper)]
            rows.append([f"{row.transition}, {row.cause}", *cells])
        tables.append(("Branching (strength x half-life / ln 2)", rows))
    return tables


def as_text(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as text; see `Fit.report`."""
    lines = _head(fit)
    tables = _tables(fit)
    lines += ["", *_aligned(tables[0][1])]
    shown = [columns(level)]
    headings: dict[int, str] = {}
    blocks, meanings = estimates(fit, level)
    for heading, block in blocks:
        headings[len(shown)] = heading
        shown += [[f"  {row[0]}", *row[1:]] for row in block]
    lines.append("")
    for place, line in enumerate(_aligned(shown)):
        if place in headings:
            lines.append(headings[place])
        lines.append(line)
    lines.append("")
    for meaning in meanings:
        lines += textwrap.wrap(meaning, WIDTH, subsequent_indent="  ")
    for title, table in tables[1:]:
        lines += ["", title, *_aligned(table)]
    lines += ["", ", ".join(f"{name} {value}" for name, value in _statistics(fit))]
    for warning in fit.warnings:
        lines += ["", *textwrap.wrap(f"Warning: {warning}", WIDTH, subsequent_indent="  ")]
    return "\n".join(lines) + "\n"


def _html_table(rows: list[list[str]], caption: str) -> str:
    head = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>"
        + "".join(
            f"<th scope='row'>{html.escape(cell)}</th>" if not number else f"<td>{html.escape(cell)}</td>"
            for number, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows[1:]
    )
    top = f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>"
    return f"<table>{top}<tbody>{body}</tbody></table>"


def as_html(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as HTML; see `Fit.to_html`."""
    blocks, meanings = estimates(fit, level)
    shown = [["cause", "parameter", *columns(level)[1:]]]
    for heading, block in blocks:
        shown += [[heading, *row] for row in block]
    parts = [f"<p>{html.escape(line)}</p>" for line in _head(fit)]
    tables = _tables(fit)
    parts.append(_html_table(tables[0][1], tables[0][0]))
    parts.append(_html_table(shown, "Estimates"))
    parts += [f"<p>{html.escape(meaning)}</p>" for meaning in meanings]
    parts += [_html_table(table, title) for title, table in tables[1:]]
    parts.append("<p>" + ", ".join(f"{name} {value}" for name, value in _statistics(fit)) + "</p>")
    if fit.warnings:
        parts.append("<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in fit.warnings) + "</ul>")
    return "<div class='tocsin-fit'>" + "".join(parts) + "</div>"


_TEX = str.maketrans(
    {
        "\\": "\\textbackslash{}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$", "{": "\\{",
        "}": "\\}", "<": "$<$", ">": "$>$", "|": "$|$", "^": "\\^{}", "~": "\\~{}",
    }
)  # fmt: skip


def _tex(text: str) -> str:
    return text.translate(_TEX)


def _tex_table(rows: list[list[str]]) -> list[str]:
    body = [" & ".join(_tex(cell) for cell in row) + " \\\\" for row in rows]
    columns = "l" + "r" * (len(rows[0]) - 1)
    begin = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", body[0], "\\midrule"]
    return [*begin, *body[1:], "\\bottomrule", "\\end{tabular}"]


def as_latex(fit: Fit, level: float = 0.95) -> str:
    """Return a fit as LaTeX tables; see `Fit.to_latex`."""
    head = columns(level)
    width = len(head)
    blocks, meanings = estimates(fit, level)
    lines = ["% needs \\usepackage{booktabs}", f"\\begin{{tabular}}{{l{'r' * (width - 1)}}}", "\\toprule"]
    lines += [" & ".join(_tex(cell) for cell in head) + " \\\\", "\\midrule"]
    for heading, block in blocks:
        lines.append(f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(heading)}}}}} \\\\")
        lines += [" & ".join(_tex(cell) for cell in row) + " \\\\" for row in block]
    statistics = "; ".join(f"{name} {value}" for name, value in _statistics(fit))
    lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{{_tex(statistics)}}} \\\\", "\\bottomrule"]
    lines.append("\\end{tabular}")
    lines += ["", *(f"\\par {{\\footnotesize {_tex(meaning)}}}" for meaning in meanings)]
    for _, table in _tables(fit):
        lines += ["", *_tex_table(table)]
    lines += [f"% warning: {warning}" for warning in fit.warnings]
    return "\n".join(lines) + "\n"
