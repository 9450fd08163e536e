"""Rough use: full and read-only disks, killed kernels, two lessons at once, odd folders.

TROUBLE.md says what a learner sees; `ROWS` in test_trouble.py names the test of each of its rows.
"""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from course_utils import ROOT
from course_utils.diffusers_format import load_pipeline, parts, save_pipeline
from course_utils.io import files, tensors
from course_utils.notebook import camera, plotting
from tests.test_datasets import Server, idx
from tests.test_pipeline import small_pipeline

PHOTO = np.zeros((4, 4, 3), np.uint8)


def child(script, *arguments, **options):
    """Python in a process of its own, which finds the course and these tests."""
    environment = (
        os.environ | {"PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"} | options.pop("env", {})
    )
    command = [*options.pop("within", ()), sys.executable, "-c", script, *map(str, arguments)]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return subprocess.Popen(command, env=environment, **pipes, **options)


def filled(number):
    """A small model all of whose weights are one number."""
    pipe = small_pipeline()
    for part in (pipe.unet, pipe.text_encoder, pipe.vae):
        for parameter in part.parameters():
            nn.init.constant_(parameter, number)
    return pipe


def numbers(folder):
    """The numbers that the model in a folder is filled with."""
    pipe = load_pipeline(folder)
    models = (pipe.unet, pipe.text_encoder, pipe.vae)
    return {p.unique().item() for part in models for p in part.parameters()}


# --- a model is a folder: all of it is new, or all of it is old ----------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_model_that_can_not_be_saved_leaves_the_older_one_whole(tmp_path, monkeypatch, error):
    save_pipeline(tmp_path / "model", filled(1))
    (tmp_path / "model" / "notes.txt").write_text("mine")

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(parts, "save_vae", fails)  # U-Net and text encoder are written by then
    with pytest.raises(type(error)) as caught:
        save_pipeline(tmp_path / "model", filled(2))
    if isinstance(error, OSError):
        assert re.search("model could not be written.*No space left.*Make room", str(caught.value))
    assert numbers(tmp_path / "model") == {1}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    monkeypatch.undo()
    save_pipeline(tmp_path / "model", filled(2))
    assert numbers(tmp_path / "model") == {2}
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"


KILLED = """
import os, signal, sys
from course_utils.diffusers_format import parts, save_pipeline
from tests.test_rough_use import filled

save_pipeline(sys.argv[1], filled(1))
parts.save_vae = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
save_pipeline(sys.argv[1], filled(2))
"""


def test_a_kernel_killed_while_a_model_is_saved_leaves_the_older_one_whole(tmp_path):
    running = child(KILLED, tmp_path / "model")
    assert running.communicate(timeout=120)[0] == "" and running.returncode == -signal.SIGKILL
    assert numbers(tmp_path / "model") == {1}
    (left,) = tmp_path.glob(".model-*")
    mine = tmp_path / ".model-older"  # the learner's own, which looks a little like it
    mine.mkdir()
    for folder in (left, mine):
        os.utime(folder, (time.time() - 2 * files.SECONDS_TO_KEEP,) * 2)
    save_pipeline(tmp_path / "model", filled(3))
    assert {p.name for p in tmp_path.iterdir()} == {"model", ".model-older"}


def test_what_killed_processes_left_is_removed_when_it_is_old(tmp_path):
    old, new, mine = (tmp_path / f".[a].json{end}" for end in (".12.34", ".56.78", ".bak"))
    for path in (old, new, mine):
        path.touch()
    for path in (old, mine):
        os.utime(path, (0, 0))
    parts.write_json(tmp_path / "[a].json", {})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".[a].json.56.78", mine.name, "[a].json"]


def test_a_settings_file_is_whole_or_the_older_one(tmp_path, monkeypatch):
    parts.write_json(tmp_path / "a.json", {"a": 1})

    def half(path, text, **_):
        path.write_bytes(text[:3].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="a.json could not be written.*No space left"):
        parts.write_json(tmp_path / "a.json", {"a": 2})
    assert parts.read_json(tmp_path / "a.json") == {"a": 1}
    assert len(list(tmp_path.iterdir())) == 1


# --- a disk that is really full, and one that can only be read -----------------------------------

SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path
from tests import test_rough_use
test_rough_use.use_a_small_disk(Path(sys.argv[1]))
"""


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def savers(disk):
    """All that a lesson writes, each by its name: called with a number, it writes to `disk`."""
    camera.PHOTOS = disk / "photos"
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3)).astype(np.uint8)
    return {
        "model": lambda n: save_pipeline(disk / "model", filled(n)),
        "a.safetensors": lambda n: tensors.save_checkpoint(
            disk / "a.safetensors", nn.Linear(n, 500)
        ),
        "me.png": lambda n: camera.save_photo(noise[n], "me"),
        "film.gif": lambda n: plotting.save_gif(disk / "film.gif", noise[: n + 1], scale=2),
    }


def contents(disk):
    return {p: p.read_bytes() for p in disk.rglob("*") if p.is_file() and p.name != "ballast"}


def use_a_small_disk(disk):
    """Run where mounts are private: mount a disk, save, fill it, save again, make it read-only."""
    mount("-t", "tmpfs", "-o", "size=8m", "none", disk)
    for save in savers(disk).values():
        save(1)
    before = contents(disk)
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            print("the disk is full")
    for state in ("full", "read-only"):
        if state == "read-only":
            mount("-o", "remount,ro", disk)
        for name, save in savers(disk).items():
            try:
                save(2)
                print(state, name, "was saved")
            except OSError as error:
                print(f"{state} {name}: {error}")
        print("all is as it was" if contents(disk) == before else "something is lost")


def test_a_full_disk_and_a_read_only_one_lose_nothing_and_are_explained(tmp_path):
    within = ["unshare", "--user", "--map-root-user", "--mount"]
    usable = shutil.which("unshare") and not subprocess.call([*within, "true"], stderr=-3)
    if not usable:
        pytest.skip("this machine lets nobody mount a small disk")
    said = child(SMALL_DISK, tmp_path, within=within).communicate(timeout=120)[0]
    assert said.count("all is as it was") == 2, said
    assert "was saved" not in said and "the disk is full" in said
    for name in ("model", "a.safetensors", "me.png", "film.gif"):
        assert re.search(f"full .*{name} could not be written .*No space left.*Make room", said)
        assert re.search(f"read-only .*{name} could not be written .*Read-only.* is yours", said)


# --- two lessons at once -------------------------------------------------------------------------

AT_ONCE = """
import sys
from pathlib import Path
import torch, torchvision
from course_utils.data import datasets
from course_utils.io import downloads, tensors

folder, address, begin = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
downloads.FOLDER = folder / "downloads"
kind = torchvision.datasets.FashionMNIST
kind.mirrors = [address + "/"]
kind.resources = [(name, None) for name, _ in kind.resources]
model = torch.nn.Linear(300, 300)
print("ready", flush=True)
sys.stdin.readline()
downloads.fetch(address + "/weights.pt", folder / "downloads" / "weights.pt")
assert len(datasets.from_torchvision("FashionMNIST")[0]) == 20
for n in range(15):
    torch.nn.init.constant_(model.weight, begin + n)
    tensors.save_checkpoint(folder / "model.safetensors", model)
    found = tensors.load_checkpoint(folder / "model.safetensors", torch.nn.Linear(300, 300))
    assert len(found.weight.unique()) == 1
print("done")
"""


@pytest.fixture
def web():
    """A slow server of a tiny Fashion-MNIST and of a file of weights."""
    drawn = np.random.default_rng(0)
    sizes = {"train-images-idx3": (20, 28, 28), "train-labels-idx1": (20,)}
    sizes |= {"t10k-images-idx3": (10, 28, 28), "t10k-labels-idx1": (10,)}
    served = {
        f"{name}-ubyte.gz": gzip.compress(idx(drawn.integers(0, 10, shape)))
        for name, shape in sizes.items()
    }
    server = Server(served | {"weights.pt": bytes(1_000_000)})
    yield server.address.rstrip("/")
    server.http.shutdown()
    server.http.server_close()


def test_two_lessons_save_load_and_fetch_the_same_at_once(tmp_path, web):
    both = [child(AT_ONCE, tmp_path, web, begin, stdin=subprocess.PIPE) for begin in (0, 1000)]
    for one in both:
        assert one.stdout.readline() == "ready\n", one.communicate()
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=120)[0] for one in both]
    assert said == ["done\n"] * 2, "\n".join(said)
    left = {p.name for p in tmp_path.rglob("*") if p.name.startswith(".")}
    assert left == set()
    assert (tmp_path / "downloads" / "weights.pt").stat().st_size == 1_000_000


# --- odd folders ---------------------------------------------------------------------------------

ODD_FOLDER = """
import os, sys
from pathlib import Path
import course_utils
from course_utils import ROOT, diffusers_format
from course_utils.notebook import camera, person
from course_utils.data import datasets
from course_utils.evaluation import sprite_clip
from course_utils.built.digit_unet import DigitUNet
from course_utils.io import tensors

assert ROOT == Path(sys.argv[1]), ROOT
assert len(datasets.mnist(train=False)[0]) == 10_000
assert len(datasets.emoji(size=16, styles=["blob"], part="held_out")[0])
photo = camera.take_photo("sample")
assert (camera.take_photo(camera.save_photo(photo, "José")) == photo).all()
person.find_people(photo, "face")
sprite_clip.load()
diffusers_format.load_vae(ROOT / "data" / "checkpoints" / "emoji" / "vae")
path = ROOT / "data" / "checkpoints" / "digit_unet.safetensors"
tensors.save_checkpoint("mein Modell.safetensors", tensors.load_checkpoint(path, DigitUNet()))
assert Path("mein Modell.safetensors").exists()
path.write_bytes(path.read_bytes()[:100])
try:
    tensors.load_checkpoint(path, DigitUNet())
except ValueError as error:
    print(error)
"""


def test_a_home_with_spaces_and_accents_and_another_working_directory(tmp_path):
    course = tmp_path / "José Müller" / "mon cours d'été"
    elsewhere = tmp_path / "ein anderer Ordner"
    for folder in ("course_utils", "images", "data"):
        left_out = shutil.ignore_patterns("__pycache__", "licences", "emoji_classifier*", "clip")
        shutil.copytree(ROOT / folder, course / folder, ignore=left_out)
    elsewhere.mkdir()
    home = {"HOME": str(course.parent), "PYTHONPATH": str(course)}
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "data/checkpoints"], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], cwd=course, check=True)
    running = child(ODD_FOLDER, course, cwd=elsewhere, env=home)
    said = running.communicate(timeout=120)[0]
    assert running.returncode == 0, said
    # The command that the message gives works as it stands, quotes and all.
    command = re.search("`(git checkout .*)`", said).group(1)
    subprocess.run(command, shell=True, cwd=course / "images", check=True, stderr=-3)
    name = "data/checkpoints/digit_unet.safetensors"
    assert (course / name).read_bytes() == (ROOT / name).read_bytes()
