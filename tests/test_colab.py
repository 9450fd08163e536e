"""The set-up cell and the badges: nothing outside Colab, the whole course inside it."""

import json
import subprocess
import sys
import zipfile

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils import ROOT, colab
from tools import lessons

IN_COLAB = """
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
"""
REPORT = """
import os, course_utils
print(os.getcwd(), course_utils.ROOT, sep="\\n")
"""


@pytest.fixture
def published(tmp_path):
    """A git repository with as much of the course as the set-up cell touches."""
    folder = tmp_path / "published"
    (folder / "notebooks" / "solutions").mkdir(parents=True)
    (folder / "notebooks" / "solutions" / "01_noise.ipynb").touch()
    (folder / "course_utils").mkdir()
    for name in ("course_utils/__init__.py", "course_utils/colab.py", "requirements.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "course"]):
        subprocess.run([*git, *command], check=True)
    return folder


def set_up(before, repository, folder, content, cwd):
    """Run the set-up cell in a fresh Python, with `content` in the place of Colab's /content."""
    cell = lessons.SETUP.format(repository=repository, folder=folder)
    script = before + cell.replace("/content", str(content)) + REPORT
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/solutions"])
def test_in_colab_the_course_is_fetched_and_imported(tmp_path, published, folder):
    content = tmp_path / "content"
    for _ in range(2):  # the cell can be run again
        done = set_up(IN_COLAB, published.as_uri(), folder, content, tmp_path)
        assert done.returncode == 0, done.stderr
        course = content / "course"
        assert done.stdout.splitlines() == [str(course / folder), str(course)]


def test_without_an_address_an_uploaded_course_is_used(tmp_path, published):
    content = tmp_path / "content"
    done = set_up(IN_COLAB, "", "notebooks", content, tmp_path)
    assert "no public address yet: upload it to" in done.stderr
    content.mkdir()
    published.rename(content / "course")
    done = set_up(IN_COLAB, "", "notebooks", content, tmp_path)
    assert done.stdout.splitlines()[-1] == str(content / "course"), done.stderr


def test_a_failed_download_is_an_error(tmp_path):
    done = set_up(IN_COLAB, str(tmp_path / "nowhere"), "notebooks", tmp_path / "c", tmp_path)
    assert "CalledProcessError" in done.stderr and not (tmp_path / "c" / "course").exists()


def test_outside_colab_nothing_happens(tmp_path, published):
    done = set_up("", published.as_uri(), "notebooks", tmp_path / "content", tmp_path)
    assert done.stdout.splitlines() == [str(tmp_path), str(ROOT)], done.stderr
    assert not (tmp_path / "content").exists()


# --- what is missing ----------------------------------------------------------------------------


def wheel(folder, name, version, needs=()):
    """The smallest package that pip installs."""
    info = f"{name}-{version}.dist-info"
    about = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    about += [f"Requires-Dist: {need}" for need in needs]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"version = {version!r}\n")
        archive.writestr(f"{info}/METADATA", "\n".join(about) + "\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """pip finds packages in this folder alone, and only reports what it would install.

    A dry run, as a mistake in what is tested could replace this environment's own torch.
    """
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_DRY_RUN", "1")
    monkeypatch.setenv("PIP_REPORT", str(tmp_path / "report.json"))
    return tmp_path


def would_be_installed(shelf):
    found = json.loads((shelf / "report.json").read_text())["install"]
    return [item["metadata"]["name"] for item in found]


def requirements(folder, *lines):
    path = folder / "requirements.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_nothing_of_the_course_is_missing_here():
    assert colab.missing() == []
    assert "-e ." in (ROOT / "requirements.txt").read_text()  # read over, not asked of pip


def test_names_are_spelled_as_pip_spells_them():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] > "/"]
    for line in [*lines, "A_b.-C>=2,<3", "x.y[extra]==1", "z ; python_version > '3'"]:
        assert colab.canonical(line) == canonicalize_name(Requirement(line).name)


def test_colab_needs_no_jupyter_and_no_tests(monkeypatch):
    monkeypatch.setattr(colab, "installed", lambda: {"torch": "2.9", "opencv-python": "4.12"})
    names = {line.split(">")[0] for line in colab.missing()}
    assert {"ultralytics", "safetensors", "imageio"} <= names
    assert not {"torch", "opencv-python", "jupyter", "nbval"} & names


def test_nothing_missing_starts_no_pip(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", None)
    colab.install_missing(
        requirements(tmp_path, "# a note", "-e .", "numpy>=1", "Torch", "jupyter")
    )
    assert capsys.readouterr().out == ""


def test_an_installed_package_of_another_version_is_left_alone(tmp_path):
    asked = requirements(tmp_path, "torch>=999", "nowhere-to-be_found>=2,<3  # why", "nbval")
    assert colab.missing(asked) == ["nowhere-to-be_found>=2,<3"]


def test_what_is_missing_is_installed_and_nothing_else(shelf, capsys):
    for name in ("torch", "numpy"):
        wheel(shelf, name, "999.0")
    wheel(shelf, "tinycourse", "1.2", needs=["torch", "numpy"])
    colab.install_missing(requirements(shelf, "numpy", "tinycourse>=1"))
    assert "Installing tinycourse>=1" in capsys.readouterr().out
    assert would_be_installed(shelf) == ["tinycourse"]


def test_who_wants_another_torch_is_not_installed(shelf):
    wheel(shelf, "torch", "999.0")
    wheel(shelf, "tinycourse", "1.2", needs=["torch>=999"])
    with pytest.raises(RuntimeError, match=r"could not install tinycourse(.|\n)*torch(>|==)"):
        colab.install_missing(requirements(shelf, "tinycourse"))


def test_a_package_that_cannot_be_had_is_named(shelf):
    with pytest.raises(RuntimeError, match="could not install nowhere(.|\n)*Choose Runtime"):
        colab.install_missing(requirements(shelf, "nowhere"))


# --- badges -------------------------------------------------------------------------------------

ADDRESS = "https://github.com/someone/diffusion-course"
FIRST = "# 01 · Noise\n\n*What does noise do?*\n\n**You build** things.\n\n**Takes** to be measured"


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A lesson in a course of its own; returns a function that sets the address and syncs."""
    path = tmp_path / "notebooks" / "01_noise.ipynb"
    path.parent.mkdir()
    measured = tmp_path / "measured.json"
    for name, value in dict(ROOT=tmp_path, LESSONS=[path], SOLUTIONS=[], MEASURED=measured).items():
        monkeypatch.setattr(lessons, name, value)
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        nbformat.v4.new_markdown_cell(FIRST),
        nbformat.v4.new_code_cell("# set-up", metadata={"tags": ["setup"]}),
        nbformat.v4.new_code_cell("1 + 1"),
    ]
    nb.metadata["course"] = {"executed": lessons.code_hash(nb)}
    nbformat.write(nb, path)
    (tmp_path / "README.md").write_text("nothing to stamp\n")

    def publish(address):
        (tmp_path / "pyproject.toml").write_text(f'[tool.course]\nrepository = "{address}"\n')
        lessons.main("sync")
        lessons.main("check")  # the stored hash is still that of the code
        return path.read_text()

    return publish


def cells(text):
    return [cell.source for cell in nbformat.reads(text, as_version=4).cells]


def test_an_address_is_stamped_and_taken_back(lesson):
    without = lesson("")
    assert cells(without)[0] == FIRST
    assert 'repository = ""' in cells(without)[1]
    stamped = lesson(ADDRESS)
    first, setup, code = cells(stamped)
    badge, rest = first.split("\n\n", 1)
    notebook = "someone/diffusion-course/blob/main/notebooks/01_noise.ipynb"
    assert f"](https://colab.research.google.com/github/{notebook})" in badge
    assert rest == FIRST and code == "1 + 1"
    assert f'repository = "{ADDRESS}"' in setup
    assert lesson(ADDRESS) == stamped
    assert lesson(ADDRESS + "/") == stamped
    assert lesson("") == without


def test_another_address_replaces_the_first(lesson):
    lesson(ADDRESS)
    first, setup, _ = cells(lesson("https://github.com/other/fork"))
    assert "someone" not in first + setup and first.count("[![Open in Colab]") == 1
