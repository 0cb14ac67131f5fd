"""What all tests share: the place of the shared facts, and no quiet skips where all must run."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
ABSENT = "../shared is absent"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of the shared facts and data; skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(ABSENT)
    return SHARED


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
