"""The report of 1917 in a real browser: nothing fetched, nothing sideways at 360 px, eight pages of A4."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tocsin.report.replay import replay
from tocsin.report.report import report_html


@pytest.mark.parametrize("do", [[], ["remove layer comintern"]], ids=["plain", "changed"])
def test_the_report_of_1917(do: list[str], chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(report_html(replay("1917", worlds=300, do=do)), encoding="utf-8")
    assert path.stat().st_size < 5_000_000
    for width, scheme in ((360, "light"), (1280, "dark")):
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        page = context.new_page()
        noise: list[str] = []
        page.on("console", lambda message, noise=noise: noise.append(message.text))
        page.on("request", lambda request, noise=noise: noise.append(request.url))
        page.goto(path.as_uri())
        assert noise == [path.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        headings = page.locator("h2").all_inner_texts()
        assert "What the page says" in headings and "What moved it, and who sparked whom" in headings
        assert page.locator(".claims li").count() == 28
        assert page.locator("svg[role=img]:visible").count() >= 10
        text = page.locator("main").inner_text()
        assert "133 days" in text and "soviet republics" in text
        assert not re.search(r"\bnan\b|undefined|None\b", text)
        context.close()
    page = chromium.new_page()
    page.goto(path.as_uri())
    pdf = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 8
    page.close()
