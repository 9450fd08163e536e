"""The course as a learner sees it: JupyterLab in headless Chromium; `make test-browser`.

The server is the one of `make start`, on a copy of the course, so that nothing committed is
written over. What the learner sees is kept in screenshots/, a picture for each screenful.
"""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from course_utils import ROOT

pytestmark = pytest.mark.browser
SCREENSHOTS = ROOT / "screenshots"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
MINUTE = 60_000  # Playwright counts milliseconds
TOKEN = "a-token-for-the-tests"

# What a cell shows, asked of the page itself: cells that are far away are not drawn.
CELLS = """
const cells = jupyterapp.shell.currentWidget.content.widgets;
const code = cells.filter(cell => cell.model.type === 'code');
const data = cell => cell.model.outputs.toJSON();
const printed = cell => data(cell).map(o => [o.text || ''].flat().join('')).join('');
const errors = code.flatMap(data).filter(o => o.output_type === 'error');
const index = text => cells.findIndex(cell => cell.model.sharedModel.source.includes(text));
"""


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
    """A copy of what is tracked, or is new and not ignored."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    names = subprocess.run([*listed, "--exclude-standard"], capture_output=True, check=True).stdout
    folder = tmp_path_factory.mktemp("course")
    for name in filter(None, names.decode().split("\0")):
        if (ROOT / name).is_file():  # not if it was deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def start_command():
    """What `make start` runs, read from the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(r"^\t((?:\w+=\w+ )*)\$\(BIN\)/jupyter (lab .*00_start.*)$", makefile, re.M)
    settings, arguments = found.groups()
    jupyter = str(Path(sys.executable).with_name("jupyter"))
    return dict(pair.split("=") for pair in settings.split()), [jupyter, *arguments.split()]


@pytest.fixture(scope="module")
def server(course, tmp_path_factory):
    """The address of a JupyterLab that knows nothing of this machine's settings."""
    settings, command = start_command()
    own = tmp_path_factory.mktemp("jupyter")
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"} | settings
    environment |= {"PYTHONPATH": str(course), "COURSE_CAMERA": "sample", "COURSE_BUDGET": "1"}
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(own / name)
    # The question whether one wants news of Jupyter would lie over the lesson.
    news = own / "settings" / "@jupyterlab" / "apputils-extension"
    news.mkdir(parents=True)
    (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(own / "settings")
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(own / "workspaces")
    command += ["--no-browser", f"--port={port}", f"--IdentityProvider.token={TOKEN}"]
    command += ["--ServerApp.port_retries=0", "--allow-root", "--expose-app-in-browser"]
    command += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    log = own / "log.txt"
    with log.open("w") as to:
        process = subprocess.Popen(command, cwd=course, env=environment, stdout=to, stderr=to)
    address = f"http://127.0.0.1:{port}"
    try:
        until_it_answers(process, f"{address}/api?token={TOKEN}", log)
        yield address
    finally:
        process.terminate()  # JupyterLab ends its kernels
        process.wait(60)


def until_it_answers(process, address, log):
    for _ in range(120):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(1)
    raise AssertionError(
        f"JupyterLab did not answer within two minutes.\n{log.read_text()[-3000:]}"
    )


@contextmanager
def opened(browser, server, notebook, app="lab/tree"):
    """A page that shows a notebook whose kernel is ready; the kernel ends with it."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(2 * MINUTE)
    try:
        page.goto(f"{server}/{app}/notebooks/{notebook}?token={TOKEN}&reset")
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'"
        )
        yield page
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    except Exception:
        picture(page, "failed")
        raise
    finally:
        page.close()


def picture(page, name):
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def ask(page, expression, *arguments):
    return page.evaluate(f"(given) => {{ {CELLS} return {expression}; }}", list(arguments))


def menu(page, name, item):
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.locator(".lm-Menu-item", has_text=re.compile(f"^{item}")).first.click()


def run_all(page, minutes):
    """Clear all outputs, then Run > Run All Cells; wait until each cell has run, without error."""
    menu(page, "Edit", "Clear Outputs of All Cells")
    assert ask(page, "code.every(cell => cell.model.executionCount === null)")
    menu(page, "Run", "Run All Cells")
    done = "code.every(cell => cell.model.executionCount !== null)"
    page.wait_for_function(
        f"() => {{ {CELLS} return errors.length || ({done} && "
        "jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'); }",
        timeout=minutes * MINUTE,
        polling=1000,
    )
    assert ask(page, "errors.map(e => e.ename + ': ' + e.evalue)") == []


def scroll_to(page, number):
    """Bring a cell into the middle of the screen, and give where it is drawn."""
    page.evaluate(
        "i => jupyterapp.shell.currentWidget.content.scrollToItem(i, 'center')", arg=number
    )
    cell = page.locator(f'.jp-Notebook-cell[data-windowed-list-index="{number}"]')
    cell.wait_for()
    return cell


def film(page, name):
    """Keep the whole notebook, screenful by screenful."""
    for old in SCREENSHOTS.glob(f"{name}-*.png"):
        old.unlink()
    panel = page.locator(".jp-WindowedPanel-outer")
    panel.evaluate("panel => panel.scrollTop = 0")
    for number in range(100):
        page.wait_for_timeout(700)  # for formulas and pictures
        picture(page, f"{name}-{number:02}")
        if panel.evaluate(
            "p => { const y = p.scrollTop; p.scrollTop += 0.9 * p.clientHeight;"
            " return p.scrollTop < y + 1; }"
        ):
            return


def write_and_run(page, number, text):
    """Type into a cell and press Shift + Enter, then run the cell below it."""
    scroll_to(page, number).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    for _ in range(2):
        page.keyboard.press("Shift+Enter")


def answer(page, stub, text, expected):
    """Write `text` in the place of an exercise's stub; the check below must say `expected`."""
    number = ask(page, "index(given[0])", stub)
    write_and_run(page, number, text)
    page.wait_for_function(
        f"given => {{ {CELLS} return printed(cells[given[0]]).includes(given[1]); }}",
        arg=[number + 1, expected],
    )
    message = scroll_to(page, number + 1).locator(".jp-OutputArea-output")
    assert expected in message.inner_text()
    picture(page, f"{re.search(r'my_[a-z_]+', stub)[0]}-{expected.split()[0].strip('.').lower()}")


def saved(page, path):
    """The notebook as Ctrl + S writes it: valid, each cell run, no error."""
    menu(page, "File", "Save Notebook")
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    return nb


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


def test_lesson_13(browser, server, course):
    """Three minutes on a quiet machine with two cores."""
    with opened(browser, server, "13_latent_diffusion.ipynb") as page:
        run_all(page, minutes=60)
        bar = scroll_to(page, ask(page, "index('training.progress(run, steps)')"))
        assert "300/300" in bar.locator(".jp-OutputArea-output").first.inner_text()
        wrong = (
            "def my_noise(first, second, share):\n    return (1 - share) * first + share * second"
        )
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
        text = "from course_utils import training\nimport time\n\n"
        text += (
            "for _ in training.progress((time.sleep(0.05) for _ in range(40)), total=40):\n    _"
        )
        number = ask(page, "index('pretend_to_train')")
        write_and_run(page, number, text.replace("time.sleep(0.05)", "time.sleep(0.05) or 0.5"))
        page.wait_for_function(
            f"given => {{ {CELLS} return printed(cells[given]).includes('40/40'); }}", arg=number
        )
        cell = scroll_to(page, number)
        picture(page, "progress")
        assert "40/40" in cell.locator(".jp-OutputArea-output").inner_text()
        as_error = '[data-mime-type="application/vnd.jupyter.stderr"]'  # on red
        assert cell.locator(as_error).count() == 0


def test_lesson_01_in_notebook_7(browser, server, course):
    with opened(browser, server, "01_noise.ipynb", app="notebooks") as page:
        run_all(page, minutes=10)
        scroll_to(page, ask(page, "index('plotting.slider(')"))
        page.locator(".widget-image").wait_for()
        picture(page, "notebook_7")
        slide(page, 0.0)
        page.locator(".widget-readout", has_text="0.00").wait_for()
        saved(page, course / "notebooks" / "01_noise.ipynb")
