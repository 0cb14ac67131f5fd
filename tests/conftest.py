"""What all tests share: the place of the shared facts, and no quiet skips where all must run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import PATIENCE

SHARED = Path(__file__).resolve().parents[2] / "shared"
ABSENT = "../shared is absent"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of the shared facts and data; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    return SHARED


@pytest.fixture(scope="module")  # not of the session: its loop of events would stand in the way of notebooks
def chromium() -> Iterator[Any]:
    """Return a real browser, Debian's; skip where it is absent."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="tests in a browser need the group `browser`"
    )
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("tests in a browser need Chromium: apt-get install chromium")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as playwright:
        # Chromium refuses to sandbox itself for the root of a container.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where TOCSIN_NO_SKIP is set, make a skip for any other reason than the absent facts a failure."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("TOCSIN_NO_SKIP"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "../shared" not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge the skips of tests."""
    report = yield
    _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge the skips of whole modules."""
    report = yield
    _forbid(report)
    return report
