"""A lesson of fifty minutes: its plan, what-ifs to predict and check, how we know, a quiz, a glossary and sources.

Questions mark themselves without a script: what is said of a choice is shown by the style of the page, once it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.classroom.outcomes import PreparedOutcome, entries_range
from tocsin.classroom.pages import Page, Site
from tocsin.classroom.picture import at_a_glance, height_of
from tocsin.classroom.prepared import Lesson
from tocsin.history.describe import citations
from tocsin.report.page import e, linked
from tocsin.what_if.answer import one_wave, signed_mean
from tocsin.wording.numbers import counted, hundred, length, moment

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory

CHOICES = 4

WORDS = (
    ("world", "one history that the model lets happen, as ours might have gone; a page of this edition counts many"),
    ("model", "rules with numbers that say how likely each place is to change on each day, given what happened before"),
    ("record", "what is known to have happened, each row with its source and how far it is to be trusted"),
    ("tie", "what joins two places, such as a border, a language or an army, from one day to another"),
    ("cause", "a part of a place’s likelihood of changing: reasons at home, or one kind of tie to others"),
    ("expected effect", "how many more or fewer there would be on average with a change, luck taken out"),
    ("95% interval", "where a number lies, as far as the record tells; if it holds zero, there may be no effect"),
    ("in one wave", "how far two single worlds may differ, with and without a change, luck and all"),
    ("coupling", "a way to carry luck over from our world to one with a thing changed; no data choose among them"),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """A question with choices, one of which is right, and what is to be said once one is made."""

    question: str
    right: str
    wrong: tuple[str, ...]
    because: str
    order: tuple[str, ...] = ()

    def html(self, name: str) -> str:
        """Return it as a group of radio buttons that marks itself."""
        choices = "".join(
            f'<p class="choose"><input type="radio" name="{name}" id="{name}-{place}" '
            f'class="{"right" if words == self.right else "wrong"}"><label for="{name}-{place}"> {e(words)}</label></p>'
            for place, words in enumerate(self.order or _ordered((self.right, *self.wrong)))
        )
        return (
            f'<fieldset class="choices-of"><legend>{e(self.question)}</legend>{choices}<div role="status">'
            f'<p class="told yes"><b>Right.</b> {e(self.because)}</p>'
            f'<p class="told no"><b>Not so:</b> {e(self.right)}. {e(self.because)}</p></div></fieldset>'
        )


def _ordered(choices: Sequence[str]) -> list[str]:
    """Return choices in an order that says nothing: numbers by size, words by the alphabet."""
    return sorted(choices, key=lambda text: (0, float(text), "") if text.isdigit() else (1, 0.0, text))


def lesson_pages(
    site: Site,
    laboratory: Laboratory,
    lesson: Lesson,
    outcomes: Sequence[PreparedOutcome],
    sheets: Sequence[str],
) -> list[Page]:
    """Return the pages of a lesson, the plan first.

    Parameters:
        outcomes: every prepared what-if, for the wave.
        sheets: the titles of the worksheets.
    """
    tested = [outcome for outcome in outcomes if outcome.scenario in lesson.tested]
    question = lesson.question or f"How did {laboratory.wave.entered} spread?"
    asked = list(_quiz(site, laboratory, outcomes))
    return [
        Page("lesson.html", "A lesson of 50 minutes", _plan(site, laboratory, question, tested, sheets), "lesson"),
        Page("predict.html", "Predict, then check", _predict(question, tested), "lesson"),
        Page("how-we-know.html", "How do we know?", _how(laboratory, outcomes), "lesson"),
        Page("quiz.html", "Exit quiz", _marked(asked), "lesson"),
        Page("words.html", "Words", _words(laboratory, lesson), "lesson"),
        Page("sources.html", "Sources", _sources(laboratory, lesson), "lesson"),
    ]  # fmt: skip


# --- the plan -------------------------------------------------------------------------------------------


def _plan(
    site: Site,
    laboratory: Laboratory,
    question: str,
    tested: Sequence[PreparedOutcome],
    sheets: Sequence[str],
) -> str:
    when, standing = height_of(laboratory)
    day = moment(when, laboratory.observed.frame)
    numbers = {title: f"worksheet-{place}.html" for place, title in enumerate(sheets, start=1)}

    def sheet(title: str, words: str) -> str:
        return f'<a href="{numbers[title]}">{e(words)}</a>' if title in numbers else e(words)

    steps = [
        ("0–5", "The question", f"Write it on the board: <b>{e(question)}</b> Everybody votes for one answer. Keep the "
         "count: it is taken again at the end."),
        ("5–17", "What happened", f'<a href="laboratory.html">The map</a>, played from the first day to '
         f"{e(day)}, on which there were {counted(len(standing), 'place')} {e(laboratory.wave.within)}. "
         f"In pairs: {sheet('Where and when', 'the worksheet “Where and when”')}."),
        ("17–30", "Predict, then check", f'<a href="predict.html">{counted(len(tested), "what-if")}</a>, each of which '
         "takes one answer away from the question. Nobody looks before everybody has ticked: more, fewer, or "
         "impossible to tell?"),
        ("30–38", "How sure is that?", '<a href="how-we-know.html">One picture, two kinds of doubt</a>; '
         f"{sheet('How sure is that?', 'the worksheet “How sure is that?”')} in class or at home."),
        ("38–45", "Write", "One paragraph: an answer to the question that names one number with its interval, one "
         "place, and one thing that the model leaves out. Vote again, and compare the counts."),
        ("45–50", "Leave", '<a href="quiz.html">The exit quiz</a> marks itself.'),
    ]  # fmt: skip
    rows = "".join(
        f'<tr><th scope="row">{minutes}</th><td><b>{e(what)}</b><br>{how}</td></tr>'
        for minutes, what, how in steps
    )
    good = "".join(
        f"<li><b>{e((outcome.scenario.explains or outcome.scenario.title).capitalize())}</b>: "
        f"“{e(outcome.scenario.title)}”. {e(outcome.average)} "
        f"{'So it mattered, by the model.' if outcome.certain else 'So it may not have mattered.'}</li>"
        for outcome in tested
    )
    return (
        f'<p class="over">{e(site.title)} · for the teacher</p><h1>{e(question)}</h1>'
        '<p class="answer">Fifty minutes, one screen or a device for each pair. Nothing is installed, nothing is '
        "fetched, and nothing that a pupil does is kept or sent.</p>"
        "<h2>What pupils can do afterwards</h2><ul><li>Say where and when it happened, and in what order.</li>"
        "<li>Tell a reason at home from an example abroad and from force.</li>"
        "<li>Say what an interval leaves open.</li></ul>"
        '<div class="scroll" tabindex="0" role="region" aria-label="The lesson, minute by minute"><table>'
        '<caption>Minute by minute</caption><thead><tr><th scope="col">Minutes</th><th scope="col">What is '
        'done</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
        f"<h2>What a good answer rests on</h2><ul>{good}</ul>"
        "<p>None of these excludes another, and the best answers say “mostly”, or “not alone”. These are the "
        "numbers of one model fitted to one record; likeness of neighbours can look like an example followed.</p>"
        '<h2>Before the lesson</h2><p>Print the <a href="index.html#print">worksheets</a>, whose answers are on a '
        'page of their own. Read <a href="sources.html">a source or two</a>; <a href="words.html">words</a> '
        "explains those that pupils will ask about.</p>"
    )  # fmt: skip


# --- predict, then check --------------------------------------------------------------------------------


def _predict(question: str, tested: Sequence[PreparedOutcome]) -> str:
    asked = []
    for place, outcome in enumerate(tested, start=1):
        what = outcome.show.entered
        order = (f"more {what} than with nothing changed", f"fewer {what}", "the record does not tell")
        right = order[2 if not outcome.certain else 0 if outcome.entries["difference"] > 0 else 1]
        wrong = tuple(words for words in order if words != right)
        choice = Choice("What do the worlds say?", right, wrong, outcome.average, order)
        asked.append(
            f"<h2>{e(outcome.scenario.title)}</h2><p>{e(outcome.scenario.why)}</p>"
            + choice.html(f"predict-{place}")
            + f"<p>{_to_map(outcome, 'Look at it on the map')}</p>"
        )
    return (
        f'<p class="over">Predict, then check</p><h1>{e(question)}</h1>'
        "<p>Each change takes one answer away. Tick what you expect; what the worlds say is shown when you have.</p>"
        f"{''.join(asked)}"
    )


def _to_map(outcome: PreparedOutcome, words: str) -> str:
    from urllib.parse import urlencode

    query = urlencode({"do": outcome.scenario.do}, doseq=True)
    return f'<a href="laboratory.html?{e(query)}">{e(words)}</a>'


# --- how do we know? ------------------------------------------------------------------------------------


def _how(laboratory: Laboratory, outcomes: Sequence[PreparedOutcome]) -> str:
    show, worlds = laboratory.wave, laboratory.limits.worlds
    seen = entries_range(laboratory, show)
    within = ", and what happened lies within"
    outside = "; what happened lies outside of that, and the model has not explained it"
    parts = [
        '<p class="over">How do we know?</p><h1>What a number here says, and what it cannot say</h1>',
        "<h2>1. The record</h2><p>Every event, tie and figure has a source and a rating: high, medium or low. Where "
        f"nothing is written, something may still have happened. In the record there were "
        f"{e(show.entries(seen.observed or 0))}.</p>",
        "<h2>2. The model</h2><p>It says how likely each place is to change on each day: for reasons at home, and "
        "because "
        "of others that have changed and are tied to it. Its numbers are those under which the record is most likely; "
        "others fit nearly as well, so each world draws its own from those that do.</p>",
        f"<h2>3. The worlds</h2><p>{worlds:,} times it lets history run. In 90 of 100 worlds there are "
        f"{seen.low90:g} to {e(show.entries(seen.high90))}"
        f"{outside if seen.surprising else within}.</p>",
    ]  # fmt: skip
    if outcomes:
        widest = max(
            outcomes, key=lambda each: each.entries["expected_upper"] - each.entries["expected_lower"]
        )
        low, high = one_wave(widest.entries)
        row = widest.entries
        parts += [
            "<h2>4. Two kinds of doubt</h2>"
            f"{at_a_glance(outcomes)}"
            "<p><b>The bar</b> is the doubt about the model’s numbers: the expected effect lies in it in 95 of 100 "
            "cases. "
            "More worlds do not make it shorter; only a longer or a better record would. <b>If the bar holds "
            "0</b>, the "
            "record does not tell whether the change does anything, however far the dot lies from 0.</p>"
            f"<p><b>Luck</b> comes on top. “{e(widest.scenario.title)}” has an expected effect of "
            f"{signed_mean(row['difference'])} ({signed_mean(row['expected_lower'])} to "
            f"{signed_mean(row['expected_upper'])}); in one single wave the difference lies between {low} and {high}. "
            "We live in one wave, so the second pair of numbers is the one that a person would have seen.</p>",
        ]  # fmt: skip
    doubt = " ".join(laboratory.worlds(laboratory.standard, show).doubt)
    parts.append(
        "<h2>5. What no number here can tell</h2><ul><li>Whether neighbours followed one another, or were alike to "
        "begin "
        "with, or were struck by the same thing. Such records cannot tell these fully apart.</li><li>What persons "
        "decided: "
        "no person is in this model.</li><li>What would have happened elsewhere or at another time: the model was "
        "fitted "
        f"to one history.</li></ul><p>{e(doubt)}</p>"
    )
    return "".join(parts)


# --- the quiz -------------------------------------------------------------------------------------------


def _marked(asked: Sequence[Choice]) -> str:
    questions = "".join(
        f"<li>{choice.html(f'quiz-{place}')}</li>" for place, choice in enumerate(asked, start=1)
    )
    return (
        '<p class="over">Exit quiz</p><h1>What do you take with you?</h1><p>Choose an answer, and it is marked. '
        "Nothing is "
        f'kept or sent.</p><div class="quiz"><ol class="ask">{questions}</ol>'
        f'<p class="score" role="status">Right now: <b class="count"></b> of {len(asked)}.</p></div>'
    )


def _quiz(site: Site, laboratory: Laboratory, outcomes: Sequence[PreparedOutcome]) -> Iterator[Choice]:
    """Yield the questions; one that this record or these worlds cannot decide is left out."""
    yield from _of_record(site, laboratory)
    yield from _of_changes(outcomes)
    show = laboratory.wave
    seen = entries_range(laboratory, show)
    within = f"In 90 of 100 worlds there are {seen.low90:g} to {seen.high90:g}, in the record {seen.observed or 0:g}"
    yes, no = "yes", "no"
    yield Choice(
        f"In the record there were {show.entries(seen.observed or 0)}. {within.split(',')[0]}. Is what happened a "
        "surprise "
        "to the model?",
        *((yes, (no,)) if seen.surprising else (no, (yes,))),
        f"{within}. A model that is never surprised may still be wrong about why.",
    )  # fmt: skip
    yield Choice(
        "Two neighbours rise in the same month. Does that show that the one followed the other?",
        "no: both may have answered to the same shock, or have been alike to begin with",
        ("yes: what comes later follows what comes first", "yes, if they share a border"),
        "A record of this kind cannot tell these fully apart; that is why a model’s effect is not yet a proof.",
    )


def _of_record(site: Site, laboratory: Laboratory) -> Iterator[Choice]:
    show, frame = laboratory.wave, laboratory.observed.frame
    first = laboratory.observed.first_times(show.variable, show.state).sort_values("time", kind="stable")
    times = dict(zip(first["unit"].astype(str), first["time"].astype(float), strict=True))
    units = list(times)
    later = [unit for unit in units if times[unit] > times[units[0]]] if units else []
    if len(later) >= CHOICES - 1:
        some = [later[place * (len(later) - 1) // (CHOICES - 2)] for place in range(CHOICES - 1)]
        yield Choice(
            f"Which of these places {show.came} first?",
            site.names[units[0]],
            tuple(site.names[unit] for unit in some),
            "; ".join(f"{site.names[unit]}: {moment(times[unit], frame)}" for unit in (units[0], *some))
            + ".",
        )
    when, standing = height_of(laboratory)
    count = len(standing)
    if count > 1:
        yield Choice(
            f"How many places {show.within} were there at once on {moment(when, frame)}?",
            str(count),
            tuple(str(each) for each in (max(1, count // 2), count + max(2, count // 2), 2 * count + 3)),
            f"{moment(when, frame)}: {', '.join(site.names[unit] for unit in standing)}.",
        )
    yield from _of_stays(site, laboratory)


def _of_stays(site: Site, laboratory: Laboratory) -> Iterator[Choice]:
    show, frame = laboratory.wave, laboratory.observed.frame
    table = laboratory.observed.durations(show.variable, show.state)
    ended = table[~table["censored"].astype(bool)]
    stays = (ended["end"] - ended["start"]).groupby(ended["unit"].astype(str)).max().sort_values()
    if len(stays) >= CHOICES and stays.iloc[-1] > stays.iloc[-2]:
        some = [str(stays.index[place]) for place in (0, len(stays) // 2, len(stays) - 2)]
        longest = str(stays.index[-1])
        yield Choice(
            "Which of these, all of which ended, lasted longest?",
            site.names[longest],
            tuple(site.names[unit] for unit in some),
            "; ".join(f"{site.names[unit]}: {length(float(stays[unit]), frame)}" for unit in (longest, *some))
            + ".",
        )


def _of_changes(outcomes: Sequence[PreparedOutcome]) -> Iterator[Choice]:
    sure = sorted(
        (each for each in outcomes if each.certain), key=lambda each: -abs(each.entries["difference"])
    )
    rest = [each for each in outcomes if each.entries["expected_lower"] < 0 < each.entries["expected_upper"]]
    if sure and len(outcomes) > 2:
        best = abs(sure[0].entries["difference"])
        others = [each for each in outcomes if abs(each.entries["difference"]) < 0.75 * best][: CHOICES - 1]
        if others:
            yield Choice(
                f"Which of these changes does most to the number of {sure[0].show.entered} in the worlds?",
                sure[0].scenario.title,
                tuple(each.scenario.title for each in others),
                " ".join(
                    f"{each.scenario.title}: {signed_mean(each.entries['difference'], 1)}."
                    for each in (sure[0], *others)
                ),
            )  # fmt: skip
    if rest:
        row = rest[0].entries
        yield Choice(
            f"“{rest[0].scenario.title}” has an expected effect of {signed_mean(row['difference'])}, with a 95% "
            "interval of "
            f"{signed_mean(row['expected_lower'])} to {signed_mean(row['expected_upper'])}. What may you say?",
            "the record does not tell whether it has any effect",
            ("it surely has an effect", "it surely has none"),
            "The interval holds 0, so no effect at all fits the record too, and so do effects as large as its ends.",
        )
    shares = [(abs(row["base"][0] - 0.5), each, row) for each in outcomes[:1] for row in each.scene["rows"]]
    if shares:
        _, outcome, row = min(shares, key=lambda each: each[0])
        share = hundred(row["base"][0])
        yield Choice(
            f"“In {share} of 100 worlds” is said of a place. What does it mean?",
            f"of 100 worlds of this model, there are {share} in which it is {outcome.show.within} at some time",
            (
                f"{share} of 100 people there wanted it",
                f"it lasted for {share} of 100 days",
            ),
            "Worlds are counted, not people and not days; and they are worlds of a model, not of nature.",
        )


# --- words and sources ----------------------------------------------------------------------------------


def _words(laboratory: Laboratory, lesson: Lesson) -> str:
    def rows(words: Sequence[tuple[str, str]]) -> str:
        return "".join(f"<dt>{e(word)}</dt><dd>{e(means)}.</dd>" for word, means in sorted(words))

    scopes = [
        (f"{name} reading", str(words).rstrip("."))
        for name, words in (getattr(laboratory.history, "scopes", None) or {}).items()
    ]
    time = f"<h2>Of the time</h2><dl>{rows(lesson.words)}</dl>" if lesson.words else ""
    return (
        '<p class="over">Glossary</p><h1>Words</h1>'
        f"{time}<h2>Of the model and the record</h2><dl>{rows([*WORDS, *scopes])}</dl>"
    )


def _sources(laboratory: Laboratory, lesson: Lesson) -> str:
    documents = "".join(
        f"<li><b>{e(title)}</b>. {e(about)}<br>{linked(address)}</li>"
        for title, address, about in lesson.documents
    )
    first = f'<h2>Written at the time</h2><ul class="documents">{documents}</ul>' if documents else ""
    history = laboratory.history
    used: dict[str, int] = {}
    if "citation" in history.events:
        counts = history.events["citation"].dropna().astype(str).value_counts()
        used = {str(key): int(count) for key, count in counts.items()}
    cited = citations(history)
    rows = [
        f"<li>{linked(text)} <span class='quiet'>({counted(count, 'event')})</span></li>"
        for key, count in used.items()
        if (text := cited.get(key, key)) and "http" in text
    ]
    return (
        '<p class="over">Sources</p><h1>Where you can read it yourself</h1>'
        f"{first}<h2>What the record rests on</h2><p>{counted(len(rows), 'source')} with an address, those of most "
        "events "
        "first. Each event’s own source stands in the story of its place, in the laboratory.</p>"
        f'<ul class="sources">{"".join(rows)}</ul><p class="source">{e(history.citation)}. {e(history.licence)}</p>'
    )  # fmt: skip
