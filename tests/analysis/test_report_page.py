"""The report in a real headless browser: it opens from disk, sorts, fits a phone and paper."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qkd_study.analysis.report import write_report
from tests.analysis.made import made_results

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or shutil.which("chromedriver") is None,
    reason="needs chromium and chromedriver",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return write_report([made_results()], folder).html.resolve()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    yield driver
    driver.quit()


def opened(browser: Any, page: Path, width: int = 1200) -> None:
    browser.set_window_size(width, 900)
    browser.get_log("performance")
    browser.get(page.as_uri())


def test_it_loads_without_network_or_errors(browser: Any, page: Path) -> None:
    opened(browser, page)
    asked = re.findall(r'"url":"(?!data:|file:)([^"]+)"', str(browser.get_log("performance")))
    assert [url for url in asked if url.startswith(("http", "ws"))] == []
    assert browser.get_log("browser") == []
    images = browser.execute_script(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt.length])"
    )
    assert images
    assert all(complete and width > 100 and alt > 20 for complete, width, alt in images)
    assert "supported" in browser.execute_script("return document.body.innerText").lower()


def column(browser: Any, index: int) -> list[str]:
    script = (
        "return [...document.querySelector('table').tBodies[0].rows]"
        f".map(r => r.children[{index}].dataset.value)"
    )
    found: list[str] = browser.execute_script(script)
    return found


def test_headings_sort_their_column(browser: Any, page: Path) -> None:
    opened(browser, page)
    heads = browser.find_elements("css selector", "table:first-of-type thead button")
    names = [head.text for head in heads]
    accuracy = names.index("accuracy, %")
    before = column(browser, accuracy)
    heads[accuracy].click()
    rising = [float(value) for value in column(browser, accuracy)]
    assert rising == sorted(map(float, before))
    heads[accuracy].click()
    assert [float(value) for value in column(browser, accuracy)] == rising[::-1]
    gain = next(i for i, name in enumerate(names) if name.startswith("gain over"))
    heads[gain].click()
    values = column(browser, gain)
    filled = [float(value) for value in values if value]
    assert filled == sorted(filled)
    assert values[len(filled) :] == [""] * (len(values) - len(filled))  # the baseline comes last
    heads[1].click()
    assert column(browser, 1) == sorted(column(browser, 1))
    head = browser.find_elements("css selector", "table:first-of-type thead th")[1]
    assert head.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_a_phone_and_a_desk(browser: Any, page: Path, width: int) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    opened(browser, page, width)
    # Not innerWidth: a phone zooms out until it is as wide as whatever sticks out.
    assert browser.execute_script("return document.documentElement.clientWidth") <= width
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    wide = "return [...document.querySelectorAll('.wide')].map(e => [e.scrollWidth, e.clientWidth])"
    if width == 1200:  # the scores, the claims: without a scroll bar
        assert all(inner <= outer for inner, outer in browser.execute_script(wide)[:2])
    if width == 390:  # the tables do not fit: they scroll by themselves
        assert any(inner > outer for inner, outer in browser.execute_script(wide))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_verdicts_are_seen_first(browser: Any, page: Path) -> None:
    opened(browser, page)
    script = (
        "const f = document.querySelector('figure'), c = document.querySelector('.claim');"
        "const at = e => e.getBoundingClientRect().top;"
        "return [f.id, at(f), at(c), f.querySelector('img').alt]"
    )
    figure, top, words, alt = browser.execute_script(script)
    assert figure == "verdicts"
    assert top < 300
    assert top < words
    assert alt.startswith("Forest of 1 claims. Soft targets help. supported")


def test_it_prints(browser: Any, page: Path) -> None:
    opened(browser, page)
    paper = 718  # pixels of A4 between margins of 1 cm
    size = {"width": paper, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script("return document.documentElement.scrollWidth") <= paper
    cut = "return [...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth)"
    assert max(browser.execute_script(cut)) <= 0  # what would scroll is lost on paper
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 1 <= pages <= 12
