"""The self-check says yes here, and names what is missing where something is."""

import os
import subprocess
import sys
import tomllib
import types
from collections import namedtuple

import psutil
import pytest
import torch
import torchvision
from PIL import Image

from course_utils import ROOT, colab
from course_utils.data import datasets
from course_utils.io import downloads
from course_utils.notebook import cures, environment, plotting, smoke_tests


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """The test pictures stand for all of MNIST, and nothing is written into the course."""
    whole = datasets.mnist
    monkeypatch.setattr(datasets, "mnist", lambda train: whole(False))
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "downloads")
    monkeypatch.setenv("COURSE_BUDGET", "1")
    monkeypatch.setattr(environment, "MEMORY_GB", 0.01)
    monkeypatch.setattr(environment, "DISK_GB", 0.01)


class Broken:
    """Put first on `sys.meta_path`: the import of one module fails as on a broken machine."""

    def __init__(self, name, error):
        self.name, self.error = name, error

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            raise self.error


@pytest.fixture
def breaks(monkeypatch):
    def breaks(name, error):
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setattr(sys, "meta_path", [Broken(name, error), *sys.meta_path])

    return breaks


@pytest.fixture
def in_colab(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))


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
    assert verdict.startswith("1 of 16 things need your attention:")
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
    assert finding.found.startswith("torch and torchvision do not work together")
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
    monkeypatch.setattr(smoke_tests, "SAMPLE", tmp_path / "person.jpg")
    monkeypatch.setattr(smoke_tests, "CHECKPOINTS", tmp_path)
    found = missing()
    assert set(found) == {"MNIST", "photographs", "detector", "weights"}
    assert found["MNIST"].found == "data/mnist/t10k-images-idx3-ubyte.xz is missing"
    assert "git checkout data/mnist" in found["MNIST"].mend
    for what in ("photographs", "detector", "weights"):
        assert "git checkout data images" in found[what].mend


def test_a_nonsensical_budget_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_BUDGET", "plenty")
    finding = missing()["COURSE_BUDGET"]
    assert "'plenty'" in finding.found and "%env COURSE_BUDGET=1" in finding.mend


def test_nowhere_to_write_is_a_finding(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "file" / "downloads")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "cache"))
    assert "can be written to" in missing()["disk"].found


# --- it is installed, and does it work? -----------------------------------------------------------

LIBGL = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")


def test_an_opencv_without_its_library_of_the_system_is_named(breaks, capsys):
    breaks("cv2", LIBGL)
    found = missing()
    assert set(found) == {"OpenCV", "detector"}
    assert "(ImportError: libGL.so.1" in found["OpenCV"].found
    assert "sudo apt-get install libgl1" in found["OpenCV"].mend
    assert "opencv-python-headless" in found["OpenCV"].mend
    environment.report()
    assert "Everything is in place" not in capsys.readouterr().out


def test_an_opencv_that_computes_nonsense_is_named(monkeypatch):
    import cv2

    monkeypatch.setattr(cv2, "resize", lambda image, size, **_: image[:, :8])
    assert "does not average" in missing()["OpenCV"].found


def test_a_headless_opencv_is_an_opencv(monkeypatch):
    have = colab.installed() | {"opencv-python-headless": "4.12.0.88"}
    have.pop("opencv-python")
    monkeypatch.setattr(colab, "installed", lambda: have)
    assert "packages" not in missing()


def test_a_python_built_without_lzma_is_named():
    """Built where liblzma-dev was missing: MNIST cannot be unpacked, nor torchvision imported."""
    script = """
import sys
class Missing:
    def find_spec(self, name, *_):
        if name == "_lzma":
            raise ModuleNotFoundError("No module named '_lzma'", name="_lzma")
sys.meta_path.insert(0, Missing())
from course_utils.notebook import environment
environment.report()
"""
    command = [sys.executable, "-c", script]
    text = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    ).stdout
    for what in ("MNIST", "torch"):
        line = next(line for line in text.splitlines() if line.startswith(f"- {what}: "))
        assert "_lzma" in line and "Install liblzma-dev" in line and "pip" not in line


def test_a_pillow_without_webp_is_named(monkeypatch):
    Image.init()
    monkeypatch.setattr(Image, "ID", [kind for kind in Image.ID if kind != "WEBP"])
    (finding,) = missing().values()
    assert finding.what == "emoji" and "This Pillow reads no WebP" in finding.mend


def test_a_gpu_that_this_torch_does_not_know_is_named(monkeypatch):
    def fails(*_):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch.nn.Conv2d, "forward", fails)
    (finding,) = missing().values()
    assert finding.what == "network" and "CUDA_VISIBLE_DEVICES=-1" in finding.mend
    assert "This torch does not fit your GPU or its driver" in finding.mend


def test_training_that_gives_nan_is_named(monkeypatch):
    monkeypatch.setattr(torch.nn.SiLU, "forward", lambda self, x: x * float("nan"))
    assert "gives nan" in missing()["network"].found


def test_a_windows_without_the_libraries_of_its_compiler_is_named(monkeypatch):
    def fails(*_):
        raise OSError("[WinError 126] The specified module could not be found: torch_python.dll")

    monkeypatch.setattr(torchvision.ops, "nms", fails)
    assert "Visual C++ Redistributable" in missing()["torch"].mend


def test_a_package_built_for_another_numpy_is_named(breaks):
    breaks(
        "ipywidgets", ValueError("numpy.dtype size changed, may indicate binary incompatibility")
    )
    finding = missing()["sliders"]
    assert "does not work (ValueError: numpy.dtype size" in finding.found
    assert "built for another numpy: delete .venv" in finding.mend


def test_pictures_that_this_ipython_cannot_show_are_named(monkeypatch):
    def older(**arguments):
        raise TypeError("Image.__init__() got an unexpected keyword argument 'metadata'")

    monkeypatch.setattr(plotting, "Image", older)
    assert "unexpected keyword argument" in missing()["pictures"].found


def test_an_error_without_a_message_and_an_unknown_one_still_get_a_cure(monkeypatch):
    def silent():
        raise OSError

    monkeypatch.setitem(smoke_tests.TRIED, "weights", silent)
    finding = missing()["weights"]
    assert finding.found == "does not work (OSError: no message)"
    assert finding.mend == cures.UNKNOWN


# --- Colab --------------------------------------------------------------------------------------

COLABS = {"ipywidgets": "7.7.1", "opencv-python": "5.0.0.93", "torch": "2.11.0+cpu"}


def test_colabs_own_versions_are_fine_there(in_colab, monkeypatch):
    have = {k: v for k, v in colab.installed().items() if k not in ("jupyter", "nbval")}
    monkeypatch.setattr(colab, "installed", lambda: have | COLABS | {"imageio": "0.1"})
    assert "packages" not in missing()


def test_in_colab_no_cure_replaces_a_package(in_colab, monkeypatch, breaks, tmp_path):
    def fails(*_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(colab, "installed", lambda: COLABS)
    monkeypatch.setattr(torchvision.ops, "nms", fails)
    monkeypatch.setattr(datasets, "MNIST_FOLDER", tmp_path)
    monkeypatch.setattr(smoke_tests, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    breaks("cv2", LIBGL)
    found = missing()
    assert set(found) == {"Python", "packages", "torch", "OpenCV", "detector", "MNIST", "weights"}
    assert "ultralytics" in found["packages"].found and "jupyter" not in found["packages"].found
    assert found.pop("packages").mend == "Run the set-up cell again."
    assert {finding.mend for finding in found.values()} == {cures.IN_COLAB}
    assert "pip" not in cures.IN_COLAB


def test_every_cure_is_found_by_an_error_that_people_report():
    """As they stand in public reports; each pattern of the table is the first that fits for one."""
    reported = [
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "OSError: libgomp.so.1: cannot open shared object file: No such file or directory",
        "ImportError: DLL load failed while importing _C: The specified module could not be found.",
        "ModuleNotFoundError: No module named '_lzma'",
        "ImportError: numpy.core.multiarray failed to import",
        "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        "UnidentifiedImageError: cannot identify image file <_io.BytesIO object at 0x7f>",
        "ModuleNotFoundError: No module named 'imageio'",
        "RuntimeError: operator torchvision::nms does not exist",
        "SafetensorError: Error while deserializing header: HeaderTooLarge",
    ]
    cured = [cures.cure(type(kind, (Exception,), {})(said)) for kind, _, said in split(reported)]
    assert len(set(cured)) == len(cures.CURES) == len(reported)
    assert "The package imageio is missing" in cured[7]


def split(lines):
    return [line.partition(": ") for line in lines]
