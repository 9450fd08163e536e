"""What a learner does in JupyterLab or Notebook 7, by Playwright; for test_browser.py."""

import re
from contextlib import contextmanager

import nbformat

from course_utils import ROOT
from tests.jupyter_server import TOKEN

SCREENSHOTS = ROOT / "screenshots"
MINUTE = 60_000  # Playwright counts milliseconds

# What a cell shows, asked of the page itself: cells that are far away are not drawn.
CELLS = """
const cells = jupyterapp.shell.currentWidget.content.widgets;
const code = cells.filter(cell => cell.model.type === 'code');
const data = cell => cell.model.outputs.toJSON();
const printed = cell => data(cell).map(o => [o.text || ''].flat().join('')).join('');
const errors = code.flatMap(data).filter(o => o.output_type === 'error');
const index = text => cells.findIndex(cell => cell.model.sharedModel.source.includes(text));
"""


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
        page.evaluate(
            "() => Promise.all([...jupyterapp.shell.widgets('main')]"
            ".map(tab => tab.sessionContext?.shutdown()))"
        )
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
