"""Photograph the explorer for the documents: `uv run --all-extras --group browser python scripts/make_screenshots.py`.

Both widths, both themes; needs Debian's Chromium. WebP, each under 150 kB.
"""

from __future__ import annotations

import base64
import shutil
import threading
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
WITHOUT = "?do=remove+layer+red_army&unit=hungary&date=1919-04-07&map=sides"
PICTURES: dict[str, tuple[int, int, str, str]] = {
    "explorer-1920-light": (1920, 1080, "light", "?date=1919-04-07&map=record&unit=hungary&ties=comintern"),
    "explorer-1920-dark": (1920, 1080, "dark", WITHOUT),
    "explorer-360-light": (360, 780, "light", WITHOUT),
    "explorer-360-dark": (360, 780, "dark", "?date=1919-04-07&map=worlds"),
}
LARGEST = 150_000  # bytes


def main() -> None:
    """Serve 1917, open it at each width and theme, and keep the pictures."""
    import uvicorn
    from playwright.sync_api import sync_playwright

    from tocsin.explorer.app import application
    from tocsin.explorer.run import open_laboratory

    app = application(open_laboratory("1917"))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height, scheme, query) in PICTURES.items():
            options: dict[str, Any] = {"color_scheme": scheme}
            page = browser.new_page(viewport={"width": width, "height": height}, **options)
            page.goto(address + query)
            page.wait_for_selector("body[data-ready]:not(.busy)", timeout=60_000)
            page.wait_for_timeout(1000)
            path = FOLDER / f"{name}.webp"
            # Playwright writes PNG and JPEG alone; the browser itself knows WebP.
            shot = page.context.new_cdp_session(page).send(
                "Page.captureScreenshot", {"format": "webp", "quality": 70}
            )
            content = base64.b64decode(shot["data"])
            if len(content) > LARGEST:
                raise SystemExit(f"{path.name}: {len(content):,} bytes are too many")
            path.write_bytes(content)
            page.close()
        browser.close()
    server.should_exit = True


if __name__ == "__main__":
    main()
