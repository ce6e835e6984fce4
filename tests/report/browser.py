"""The system's Chromium, for tests that look at pages as a person would."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


@dataclass
class Tab:
    """An open page, what its console said, and whom it asked for anything."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@contextmanager
def open_browser() -> Iterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def blank_tab(
    browser: Browser,
    *,
    size: tuple[int, int] = (1280, 900),
    theme: str = "light",
    minds: Callable[[ConsoleMessage], bool] = lambda message: True,
) -> Iterator[Tab]:
    """A page that leads nowhere yet; of its console it keeps the messages that it `minds`."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
    tab = Tab(context.new_page())
    tab.page.on("console", lambda message: tab.said.append(message.text) if minds(message) else None)
    tab.page.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.page.on("request", lambda request: tab.asked.append(request.url))
    try:
        yield tab
    finally:
        context.close()


@contextmanager
def open_tab(browser: Browser, path: Path, *, width: int = 1280, theme: str = "light") -> Iterator[Tab]:
    with blank_tab(browser, size=(width, 900), theme=theme) as tab:
        tab.page.goto(path.as_uri())
        yield tab


def colours(place: Locator, folder: Path) -> int:
    """How many colours a part of the page is drawn in: a blank has one."""
    picture = folder / "part.png"
    place.screenshot(path=picture)
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    return len(np.unique(pixels, axis=0))


def widest(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth")
