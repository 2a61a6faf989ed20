"""A real Chromium, driven through its driver, with nothing reachable but loopback."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

HOW_TO_GET_IT = "needs Chromium and its driver; on Debian: apt-get install chromium chromium-driver"
_WAIT_SECONDS = 60
_QUIET = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
    " --hide-scrollbars --disable-dev-shm-usage"
).split()


def paths() -> tuple[str, str] | None:
    """Where the browser and its driver are, or None."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


@contextlib.contextmanager
def chromium(*also: str, width: int = 1000, height: int = 900) -> Iterator[Chrome]:
    """A fresh browser with an empty profile, whose console and network are recorded.

    `also` are further arguments of its command line.
    """
    found = paths()
    assert found is not None, HOW_TO_GET_IT
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = found[0]
        for argument in (
            *_QUIET,
            *also,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options=options, service=Service(found[1], env=dict(os.environ)))
        try:
            yield driver
        finally:
            driver.quit()


def console_errors(driver: Chrome) -> list[str]:
    """What the console said above the level of information."""
    entries: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def requested_urls(driver: Chrome) -> list[str]:
    """Every URL that the browser asked for since the last look."""
    urls = []
    for entry in driver.get_log("performance"):  # type: ignore[no-untyped-call]
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            urls.append(message["params"]["request"]["url"])
    return urls


def prefer(driver: Chrome, scheme: str) -> None:
    """Light or dark, as the person's system would say."""
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def press(driver: Chrome, text: str) -> None:
    """Press the button that begins with exactly this line, and wait for what it leads to."""
    page = driver.find_element("tag name", "html")
    buttons = driver.find_elements("css selector", "button")
    texts = [button.text.partition("\n")[0].strip() for button in buttons]
    assert text in texts, f"no button {text!r}; there are {texts}"
    buttons[texts.index(text)].click()
    WebDriverWait(driver, _WAIT_SECONDS).until(lambda _: _is_left(page))
    WebDriverWait(driver, _WAIT_SECONDS).until(
        lambda opened: opened.execute_script("return document.readyState") == "complete"
    )


def _is_left(page: WebElement) -> bool:
    """Whether the document is gone; on the way to the next, the driver has several words for it."""
    try:
        page.is_enabled()
    except WebDriverException:
        return True
    return False
