"""The course as a learner sees it: JupyterLab in headless Chromium; `make test-browser`.

The server is the one of `make start`, on a copy of the course, so that nothing committed is
written over. What the learner sees is kept in screenshots/, a picture for each screenful.
"""

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.jupyter_page import (
    CELLS,
    answer,
    ask,
    film,
    opened,
    picture,
    run_all,
    saved,
    scroll_to,
    write_and_run,
)
from tests.jupyter_server import copy_course, serving

pytestmark = pytest.mark.browser
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: `make test-browser` installs it"
    )
    if CHROMIUM is None:
        pytest.skip("needs Chromium: `apt-get install chromium`, or your system's package of it")
    with sync_api.sync_playwright() as playwright:
        # Without its sandbox, which Chromium refuses to root, as whom containers often run.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    copy_course(folder)
    return folder


@pytest.fixture(scope="module")
def server(course, browser, tmp_path_factory):
    """Its address; after `browser`, without which it need not start."""
    with serving(course, tmp_path_factory.mktemp("jupyter")) as address:
        yield address


def test_lesson_00(browser, server, course):
    with opened(browser, server, "00_start_here.ipynb") as page:
        run_all(page, minutes=10)
        assert "40 of 100" in ask(page, "printed(cells[index('pretend_to_train')])")
        answer(page, "my_numbers = ...", "my_numbers = 32 * 32 * 32", "Not yet")
        answer(page, "my_numbers = ", "my_numbers = 32 * 1 * 28 * 28", "Right.")
        film(page, "lesson_00")
        saved(page, course / "notebooks" / "00_start_here.ipynb")


def roughness(page):
    """The mean difference of neighbouring pixels of the picture below the slider."""
    shown = page.locator(".widget-image").screenshot()
    pixels = np.asarray(Image.open(io.BytesIO(shown)).convert("L"), dtype=float)
    return np.abs(np.diff(pixels, axis=1)).mean()


def slide(page, to):
    """Pull the slider's handle to a share of its way."""
    track = page.locator(".widget-slider .slider").bounding_box()
    handle = page.locator(".widget-slider .noUi-handle").bounding_box()
    y = handle["y"] + handle["height"] / 2
    page.mouse.move(handle["x"] + handle["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(track["x"] + to * track["width"], y, steps=5)
    page.mouse.up()


def test_lesson_01(browser, server, course):
    with opened(browser, server, "01_noise.ipynb") as page:
        run_all(page, minutes=10)
        scroll_to(page, ask(page, "index('plotting.slider(')"))
        page.locator(".widget-image").wait_for()
        half = roughness(page)
        for share, amount in ((0.0, "0.00"), (1.0, "1.00")):
            slide(page, share)
            page.locator(".widget-readout", has_text=amount).wait_for()
            page.wait_for_timeout(1500)  # for the kernel's picture
            picture(page, f"slider-{amount}")
            # The portrait is smooth, noise is not.
            assert roughness(page) < 0.7 * half if share == 0 else roughness(page) > 1.2 * half
        wrong = "def my_mix_variance(var0, amount):\n    return (1 - amount) * var0 + amount"
        answer(page, "def my_mix_variance", wrong, "Not yet")
        right = "def my_mix_variance(var0, amount):\n    return (1 - amount)**2 * var0 + amount**2"
        answer(page, "def my_mix_variance", right, "Right.")
        film(page, "lesson_01")
        saved(page, course / "notebooks" / "01_noise.ipynb")
        # A link to what is not in notebooks/, at the lesson's end.
        page.get_by_role("link", name="images/README.md").click()
        page.locator(".lm-TabBar-tabLabel", has_text="README.md").first.wait_for()


def test_lesson_13(browser, server, course):
    """Three minutes on a quiet machine with two cores."""
    with opened(browser, server, "13_latent_diffusion.ipynb") as page:
        run_all(page, minutes=60)
        bar = scroll_to(page, ask(page, "index('training.progress(run, steps)')"))
        shown = bar.locator(".jp-OutputArea-output").first.inner_text()
        assert re.search(r"100%.* (\d+)/\1 ", shown)
        line = "def my_noise(first, second, share):\n    return "
        wrong = line + "(1 - share) * first + share * second"
        answer(page, "def my_noise", wrong, "noise that is too weak")
        film(page, "lesson_13")
        saved(page, course / "notebooks" / "13_latent_diffusion.ipynb")


TRAIN = """\
import time
from course_utils import training

losses = (time.sleep(0.05) or 1 / n for n in range(1, 41))
for loss in training.progress(losses, total=40):
    pass"""


def test_a_progress_bar_comes_to_its_end(browser, server):
    """A short one, where lesson 00 shows how a training run is stopped."""
    with opened(browser, server, "00_start_here.ipynb") as page:
        number = ask(page, "index('pretend_to_train')")
        write_and_run(page, number, TRAIN)
        page.wait_for_function(
            f"given => {{ {CELLS} return printed(cells[given]).includes('40/40'); }}", arg=number
        )
        cell = scroll_to(page, number)
        picture(page, "progress")
        # What goes to stderr has a red ground, as errors have.
        plain = cell.locator('[data-mime-type="application/vnd.jupyter.stdout"]')
        assert "40/40" in plain.inner_text()


def test_lesson_01_in_notebook_7(browser, server, course):
    with opened(browser, server, "01_noise.ipynb", app="notebooks") as page:
        run_all(page, minutes=10)
        scroll_to(page, ask(page, "index('plotting.slider(')"))
        page.locator(".widget-image").wait_for()
        picture(page, "notebook_7")
        slide(page, 0.0)
        page.locator(".widget-readout", has_text="0.00").wait_for()
        saved(page, course / "notebooks" / "01_noise.ipynb")


def stroke(page, canvas, *points):
    """Draw a line on the canvas with the mouse, through points in parts of its sides."""
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)


def drawn(page, cell, prompt, name):
    """Type a prompt, press draw, wait for the picture in the history; its pixels."""
    text = cell.locator(".widget-text input").first
    text.fill(prompt)
    text.press("Tab")
    before = cell.locator(".widget-label", has_text=f"{prompt}, seed").count()
    cell.get_by_role("button", name="draw", exact=True).click()
    cell.locator(".widget-label", has_text=f"{prompt}, seed").nth(before).wait_for()
    page.wait_for_timeout(500)
    picture(page, f"playground-{name}")
    shown = cell.locator(".widget-image").last.screenshot()
    return np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"), dtype=float)


def test_the_playground(browser, server, course):
    """Type a prompt; sketch with the mouse; paint a mask. ipycanvas comes with the dev packages."""
    with opened(browser, server, "playground.ipynb") as page:
        run_all(page, minutes=10)
        cell = scroll_to(page, ask(page, "index('emoji.STYLES))')"))
        cell.locator(".widget-image").first.wait_for()
        first = drawn(page, cell, "penguin", "prompt")
        assert first.std() > 30  # no blank page
        cell.get_by_role("button", name="save all").click()
        cell.locator(".widget-label", has_text="1 saved in").wait_for()
        (path,) = (course / "downloads" / "playground").glob("*.png")
        assert Image.open(path).text["parameters"].startswith("penguin\n")

        cell = scroll_to(page, ask(page, "index('sketch = Sketch()')"))
        canvas = cell.locator("canvas").first
        canvas.wait_for()
        stroke(page, canvas, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7), (0.3, 0.3))
        picture(page, "playground-drawn")
        on_it = np.asarray(Image.open(io.BytesIO(canvas.screenshot())).convert("RGB"), dtype=float)
        assert on_it[..., 1].min() < 100  # red on white
        assert drawn(page, cell, "lion", "sketch").std() > 30

        cell = scroll_to(page, ask(page, "index('Sketch(masks=True)')"))
        canvas = cell.locator("canvas").first
        canvas.wait_for()
        stroke(page, canvas, (0.1, 0.1), (0.9, 0.1), (0.9, 0.3), (0.1, 0.3))
        picture(page, "playground-painted")
        assert drawn(page, cell, "crown", "mask").std() > 30
