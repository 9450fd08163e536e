"""The self-check says yes here, and names what is missing where something is."""

import sys
import tomllib
from collections import namedtuple

import psutil
import pytest
import torchvision

from course_utils import ROOT, datasets, downloads, environment


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """The test pictures stand for all of MNIST, and nothing is written into the course."""
    whole = datasets.mnist
    monkeypatch.setattr(datasets, "mnist", lambda train: whole(False))
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "downloads")
    monkeypatch.setenv("COURSE_BUDGET", "1")
    monkeypatch.setattr(environment, "MEMORY_GB", 0.01)
    monkeypatch.setattr(environment, "DISK_GB", 0.01)


def missing():
    return {finding.what: finding for finding in environment.check() if finding.mend}


def test_everything_is_in_place_here(capsys):
    environment.report()
    text = capsys.readouterr().out
    assert text.endswith("\nEverything is in place.\n")
    assert "camera         not touched" in text


def test_missing_and_wrong_packages_are_named_with_the_command(tmp_path, monkeypatch, capsys):
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("# a comment\n-e .\nnumpy>=1\nno-such-package>=2.5\ntorch<1,>=0.4\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", wanted)
    environment.report()
    verdict = capsys.readouterr().out.split("\n\n")[-1]
    assert verdict.startswith("1 of 9 things need your attention:")
    assert "no-such-package is missing; torch is" in verdict
    assert '%pip install "no-such-package>=2.5" "torch<1,>=0.4"' in verdict
    assert "Everything is in place" not in verdict


def test_the_lowest_python_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, environment.PYTHON))
    assert f"version_info >= {environment.PYTHON} " in (ROOT / "Makefile").read_text()
    assert "You need Python {}.{}".format(*environment.PYTHON) in (ROOT / "README.md").read_text()


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert "Install Python 3.11" in missing()["Python"].mend


def test_a_torch_and_a_torchvision_that_do_not_fit_are_named(monkeypatch):
    def fails(*_):
        raise RuntimeError("operator torchvision::nms does not exist\nand more")

    monkeypatch.setattr(torchvision.ops, "nms", fails)
    finding = missing()["torch"]
    assert finding.found.endswith("(operator torchvision::nms does not exist)")
    assert "%pip install --force-reinstall torch torchvision" in finding.mend


def test_an_absent_torch_does_not_stop_the_check(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = missing()
    assert "torch" in found and "device" in found


def test_little_memory_and_a_full_disk_are_named(monkeypatch):
    memory = namedtuple("memory", "available")(50e6)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(environment, "MEMORY_GB", 2.0)
    monkeypatch.setattr(environment, "DISK_GB", 1e9)
    found = missing()
    assert found["memory"].found == "0.1 GB available"
    assert "Close other programs" in found["memory"].mend
    assert "Make room" in found["disk"].mend


def test_missing_data_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "MNIST_FOLDER", tmp_path)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    found = missing()
    assert set(found) == {"MNIST", "photographs"}
    assert found["MNIST"].found == "data/mnist/t10k-images-idx3-ubyte.xz is missing"
    assert "git checkout data/mnist" in found["MNIST"].mend
    assert "git checkout images" in found["photographs"].mend


def test_a_nonsensical_budget_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "plenty")
    finding = missing()["COURSE_BUDGET"]
    assert "'plenty'" in finding.found and "%env COURSE_BUDGET=1" in finding.mend


def test_nowhere_to_write_is_a_finding(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "file" / "downloads")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    assert "can be written to" in missing()["disk"].found
