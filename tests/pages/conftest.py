"""A real Chromium for the pages, without a network, and a page that remembers what went wrong on it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
SIZE: Final = {"width": 1280, "height": 860}


def chromium_path() -> str:
    """Return the Chromium that the pages are tested in: $CHROMIUM, or the first one on PATH.

    Raises:
        RuntimeError: there is none.
    """
    named = os.environ.get("CHROMIUM", "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        was = f"$CHROMIUM was {named!r}" if named else f"$CHROMIUM was unset and none of {', '.join(NAMES)} is on PATH"
        raise RuntimeError(
            f"The tests of pages must have a Chromium, but {was}. Install one, or set CHROMIUM to the path of its "
            "program; `make test` leaves out tests/pages where there is none."
        )
    return found


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """One headless Chromium for the whole session."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """A function from options of a browser context (viewport, color_scheme, …) to a new, watched page."""
    contexts = []

    def make(**options: Any) -> "Page":
        context = browser.new_context(**{"viewport": SIZE, **options})
        contexts.append(context)
        return watched(context.new_page())

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: "Callable[..., Page]") -> "Page":
    """A fresh page of 1280 by 860, in light colours, that keeps `page.faults` and `page.requested`."""
    return open_page(color_scheme="light")


def watched(page: "Page") -> "Page":
    """Return the page, with lists `faults` of console errors and uncaught exceptions and `requested` of URLs."""
    page.faults = []  # type: ignore[attr-defined]
    page.requested = []  # type: ignore[attr-defined]
    page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
    page.on("request", lambda request: page.requested.append(request.url))  # type: ignore[attr-defined]
    return page


def open_file(page: "Page", path: Path) -> None:
    """Open a file from disk, as a double click does."""
    page.goto(path.resolve().as_uri(), wait_until="load")
