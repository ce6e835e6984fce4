"""How large a page is, and how soon it can be used: `python benchmarks/pages.py report.html data.html`.

Opened in the system's Chromium, at 1280 pixels. Printed are the megabytes, the seconds until the page is interactive
and until all of it is loaded, and the seconds its main thread worked: the last hardly depend on what else runs.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

_TIMES = "performance.getEntriesByType('navigation').map((one) => [one.domInteractive, one.loadEventEnd])[0]"
_REPEATS = 3


def open_page(page: Page, path: Path) -> tuple[float, float, float]:
    """Seconds until interactive, until loaded, and of work."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.resolve().as_uri(), wait_until="load")
    interactive, loaded = page.evaluate(_TIMES)
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return interactive / 1000, loaded / 1000, metrics["TaskDuration"]


def main(paths: list[Path]) -> None:
    """Print a line per page and repeat."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for path in paths:
            for _ in range(_REPEATS):
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                interactive, loaded, work = open_page(page, path)
                size = path.stat().st_size / 1e6
                times = f"interactive {interactive:.2f} s, loaded {loaded:.2f} s, {work:.2f} s of work"
                print(f"{path.name}: {size:.1f} MB, {times}")
                page.close()
        browser.close()


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
