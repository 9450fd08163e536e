"""The set-up cell and the badges: nothing outside Colab, the whole course inside it."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils import ROOT, colab
from tools import colab_versions, lessons, try_colab

STAND_IN = ROOT / "tests" / "colab"
"""Where the stand-in for `google.colab` is."""
NOTE = "The links to other lessons lead nowhere here: open each one as you opened this one."
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
    (folder / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "course"]):
        subprocess.run([*git, *command], check=True)
    (folder / "not-committed.txt").touch()
    return folder


@pytest.fixture
def packed(published):
    """The zip of `make colab`."""
    subprocess.run(["make", "colab"], cwd=published, check=True, capture_output=True)
    return published / "diffusion-course.zip"


@pytest.fixture
def content(tmp_path):
    """In the place of /content, the folder in which Colab starts."""
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


def set_up(content, repository="", folder="notebooks", before="import google.colab\n", **does):
    """Run the set-up cell in a fresh Python, with `content` in the place of Colab's /content.

    `does` is what the learner does, as COLAB_UPLOAD and COLAB_DRIVE of the stand-in.
    """
    cell = lessons.SETUP.format(repository=repository, folder=folder)
    script = before + cell.replace("/content", str(content)) + REPORT
    environment = os.environ | {"PYTHONPATH": f"{STAND_IN}{os.pathsep}{ROOT}"} | does
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=content,
        env={name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/solutions"])
def test_in_colab_the_course_is_fetched_and_imported(content, published, folder):
    for _ in range(2):  # the cell can be run again
        done = set_up(content, published.as_uri(), folder)
        assert done.returncode == 0, done.stderr
        course = content / "course"
        assert done.stdout.splitlines() == [NOTE, str(course / folder), str(course)]
    log = ["git", "-C", str(course), "rev-list", "--count", "HEAD"]
    assert subprocess.check_output(log, text=True) == "1\n"


def test_only_the_newest_commit_is_fetched(content, published):
    git = ["git", "-C", str(published), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "another"], check=True)
    assert set_up(content, published.as_uri()).returncode == 0
    log = ["git", "-C", str(content / "course"), "rev-list", "--count", "HEAD"]
    assert subprocess.check_output(log, text=True) == "1\n"


def test_the_zip_holds_what_is_committed_and_no_more(published, packed):
    with zipfile.ZipFile(packed) as found:
        names = {name for name in found.namelist() if not name.endswith("/")}
    listed = subprocess.check_output(["git", "-C", str(published), "ls-files"], text=True)
    assert names == {f"course/{name}" for name in listed.splitlines()}


def test_without_an_address_a_zip_that_was_uploaded_is_used(content, packed):
    for chosen in (packed, ""):  # at the second time the course is there
        done = set_up(content, COLAB_UPLOAD=chosen)
        assert done.returncode == 0, done.stderr
        course = content / "course"
        assert "The links to other lessons lead nowhere here" in done.stdout
        assert done.stdout.splitlines()[-3:] == [NOTE, str(course / "notebooks"), str(course)]
    assert {path.name for path in content.iterdir()} == {"course", packed.name}


def test_a_zip_in_the_files_pane_is_found_without_a_question(content, packed):
    packed.rename(content / "diffusion-course (1).zip")  # as a browser names the second download
    done = set_up(content)
    assert "Upload" not in done.stdout and done.returncode == 0, done.stderr


def test_after_a_cancelled_upload_the_zip_comes_from_drive(content, packed, tmp_path):
    (tmp_path / "my drive").mkdir()
    packed.rename(tmp_path / "my drive" / packed.name)
    done = set_up(content, COLAB_DRIVE=tmp_path / "my drive")
    assert "to take it from your Google Drive, cancel" in done.stdout
    assert done.stdout.splitlines()[-1] == str(content / "course"), done.stderr


def test_a_zip_with_another_folder_in_it_is_the_course_too(content, packed, tmp_path):
    """A page of GitHub packs it as NAME-main, and a file manager may put nothing around it."""
    with zipfile.ZipFile(packed) as found:
        found.extractall(tmp_path)
    shutil.make_archive(str(content / "diffusion-course-main"), "zip", tmp_path / "course")
    done = set_up(content)
    assert done.stdout.splitlines()[-1] == str(content / "course"), done.stderr


def test_no_zip_half_a_zip_and_another_zip_are_explained(content, packed, tmp_path):
    (tmp_path / "empty").mkdir()
    done = set_up(content, COLAB_DRIVE=tmp_path / "empty")
    assert "There is no diffusion-course.zip: `make colab` packs it" in done.stderr
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    assert "The zip is not whole: delete it" in set_up(content, COLAB_UPLOAD=packed).stderr
    with zipfile.ZipFile(content / packed.name, "w") as other:
        other.writestr("holiday.jpg", "")
    assert "This zip is not the course: delete it" in set_up(content).stderr
    assert {path.name for path in content.iterdir()} == {"drive", packed.name}
    packed.write_bytes(whole)
    (content / packed.name).unlink()
    assert set_up(content, COLAB_UPLOAD=packed).returncode == 0  # nothing was left behind


def test_a_failed_download_is_an_error(content, tmp_path):
    done = set_up(content, str(tmp_path / "nowhere"))
    assert "CalledProcessError" in done.stderr and not (content / "course").exists()


def test_outside_colab_nothing_happens(content, published):
    done = set_up(content, published.as_uri(), before="")
    assert done.stdout.splitlines() == [str(content), str(ROOT)], done.stderr
    assert list(content.iterdir()) == []


def test_with_an_address_the_set_up_says_where_all_lessons_are(capsys):
    colab.say_where_links_lead("https://github.com/someone/diffusion-course")
    place = "https://colab.research.google.com/github/someone/diffusion-course"
    assert capsys.readouterr().out == f"All lessons in Colab: {place}\n"


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


@pytest.mark.parametrize("name", sorted(colab.OPENCV))
def test_any_opencv_will_do(name, monkeypatch):
    """A second one would write into the first one's folder."""
    monkeypatch.setattr(colab, "installed", lambda: {name: "5.0.0.93"})
    assert not any("opencv" in line for line in colab.missing())
    monkeypatch.setattr(colab, "installed", lambda: {"numpy": "2.1.3"})
    assert any("opencv" in line for line in colab.missing())


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


# --- Colab's packages, as `make test-colab` installs them ---------------------------------------

FREEZE = """\
# generated by pip freeze
numpy==2.2.0
huggingface_hub==1.30.0
torch @ https://download.pytorch.org/whl/cpu/torch-2.12.0%2Bcpu-cp313-cp313-manylinux.whl
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
gateway @ git+https://github.com/googlecolab/kernel_gateway@b134e9945df25c2dcb98ade
opencv-python==5.1.0.99
"""


def colabs():
    """The versions of tests/colab/versions.txt by pip's names, read by packaging."""
    lines = try_colab.VERSIONS.read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in found}


def test_requirements_allow_what_colab_has():
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] > "/"]
    asked = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}
    both = asked.keys() & colabs().keys()
    assert len(both) >= 9 and asked.keys() - both == {"ultralytics", "jupyter", "nbval"}
    for name in both:
        assert asked[name].specifier.contains(colabs()[name]), f"{name} {colabs()[name]}"


def test_the_list_says_when_and_where_it_was_taken():
    text = try_colab.VERSIONS.read_text()
    assert re.search(r"^# Source: https://\S+, pip-freeze.txt at \w{7,}$", text, re.M)
    assert re.search(r"^# Date: 20\d\d-\d\d-\d\d$", text, re.M)


def test_of_the_opencvs_each_wins_once():
    for major, order in try_colab.OPENCV.items():
        assert set(order) == {name for name in colabs() if "opencv" in name}
        assert colabs()[order[-1]].startswith(f"{major}.")
        assert try_colab.pins()[order[-1]] == f"{order[-1]}=={colabs()[order[-1]]}"


def test_a_newer_list_is_taken_from_colabs_own_repository(tmp_path, monkeypatch):
    (tmp_path / "colab").mkdir()
    (tmp_path / "colab" / "pip-freeze.txt").write_text(FREEZE)
    (tmp_path / "colab" / "os-info.txt").write_text("Ubuntu 24.04\nPython 3.14.2\nR 4\n")
    git = ["git", "-C", str(tmp_path / "colab"), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "a", "--date=2027-01-02"]):
        subprocess.run([*git, *command], check=True)
    versions = tmp_path / "versions.txt"
    versions.write_text("# old\ntorch==2.11.0\nhuggingface-hub==1\nopencv-python==5.0.0.93\n")
    monkeypatch.setattr(colab_versions, "VERSIONS", versions)
    colab_versions.main((tmp_path / "colab").as_uri())
    text = versions.read_text()
    assert text.endswith("\ntorch==2.12.0\nhuggingface-hub==1.30.0\nopencv-python==5.1.0.99\n")
    assert re.search(r"^# Python: 3.14.2$", text, re.M) and "# old" not in text
    versions.write_text("gone-from-colab==1\n")
    with pytest.raises(SystemExit, match="no longer lists gone-from-colab"):
        colab_versions.main((tmp_path / "colab").as_uri())


def test_another_python_than_colabs_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit, match=r"This is Python 3.9. Colab has 3.\d+: make PYTHON"):
        try_colab.check_python()


def test_a_lesson_is_run_with_its_solutions():
    names = [f"{path.parent.name}/{path.name}" for path in try_colab.notebooks(["01"])]
    assert names == ["notebooks/01_noise.ipynb", "solutions/01_noise.ipynb"]
    assert set(try_colab.notebooks([])) == set(lessons.LESSONS + lessons.BESIDE + lessons.SOLUTIONS)
    with pytest.raises(SystemExit, match="There is no lesson"):
        try_colab.notebooks(["99"])


# --- badges -------------------------------------------------------------------------------------

ADDRESS = "https://github.com/someone/diffusion-course"
FIRST = "# 01 · Noise\n\n*What does noise do?*\n\n**You build** things.\n\n**Takes** to be measured"


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A lesson in a course of its own; returns a function that sets the address and syncs."""
    path = tmp_path / "notebooks" / "01_noise.ipynb"
    path.parent.mkdir()
    measured = tmp_path / "measured.json"
    for name, value in dict(
        ROOT=tmp_path, LESSONS=[path], BESIDE=[], SOLUTIONS=[], MEASURED=measured
    ).items():
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
    assert cells(without)[0].startswith(FIRST)
    assert 'repository = ""' in cells(without)[1]
    stamped = lesson(ADDRESS)
    first, setup, code = cells(stamped)
    badge, rest = first.split("\n\n", 1)
    notebook = "someone/diffusion-course/blob/main/notebooks/01_noise.ipynb"
    assert f"](https://colab.research.google.com/github/{notebook})" in badge
    assert rest == cells(without)[0] and code == "1 + 1"
    assert f'repository = "{ADDRESS}"' in setup
    assert lesson(ADDRESS) == stamped
    assert lesson(ADDRESS + "/") == stamped
    assert lesson("") == without


def test_the_set_up_cell_is_folded_also_after_a_run(lesson):
    nb = nbformat.reads(lesson(""), as_version=4)
    for _ in range(2):
        first, setup, code = nb.cells
        assert setup.metadata == {"tags": ["setup"], **lessons.FOLDED}
        assert setup.source.startswith("# @title Set-up")  # what Colab shows of it
        assert first.metadata == code.metadata == {}
        setup.metadata["collapsed"] = code.metadata["cellView"] = "form"
        lessons.tidy(nb)


def test_another_address_replaces_the_first(lesson):
    lesson(ADDRESS)
    first, setup, _ = cells(lesson("https://github.com/other/fork"))
    assert "someone" not in first + setup and first.count("[![Open in Colab]") == 1
