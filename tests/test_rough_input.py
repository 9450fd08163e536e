"""Rough input: impossible wishes, downloads that break off, an interrupt while drawing."""

import http.client
import io
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import diffusers_format
from course_utils.built import image_to_image, text_to_image
from course_utils.data import datasets, emoji, torchvision_data
from course_utils.diffusers_format import load_pipeline
from course_utils.evaluation import emoji_classifiers, scores, sprite_clip
from course_utils.io import downloads
from course_utils.notebook import camera, plotting
from tests.test_pipeline import CAPTIONS, seeded, small_pipeline

PHOTO = np.zeros((4, 4, 3), np.uint8)


# --- bad input, and an interrupt while drawing ---------------------------------------------------


@pytest.mark.parametrize(
    "source, side, says",
    [
        (-1, 1280, "counted from 0"),  # OpenCV itself ends the process at this one
        (None, 1280, "this one is a NoneType"),
        (PHOTO, 1280, "An array is a photo already"),
        ("sample", 0, "longest_side is a number of pixels"),
        ("sample", "large", "longest_side is a number of pixels"),
    ],
)
def test_a_photo_from_nowhere_is_explained(source, side, says):
    with pytest.raises(ValueError, match=says):
        camera.take_photo(source, side)


def test_a_photo_of_the_web_or_of_a_stranger_is_no_file():
    for source in ("https://example.org/me.jpg", "~nobody-of-this-name/me.jpg"):
        with pytest.raises(FileNotFoundError, match="saved to a file first"):
            camera.take_photo(source)


def test_a_photo_without_pixels_or_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "PHOTOS", tmp_path)
    with pytest.raises(ValueError, match="H x W x 3"):
        camera.save_photo(PHOTO[:0], "me")
    with pytest.raises(ValueError, match="no folders"):
        camera.save_photo(PHOTO, ".png")


@pytest.mark.parametrize("wrong", [{"seconds": -1}, {"scale": 0}, {"scale": 0.5}])
def test_an_impossible_film_is_refused_and_leaves_the_older_one(tmp_path, wrong):
    plotting.save_gif(tmp_path / "a.gif", [PHOTO])
    before = (tmp_path / "a.gif").read_bytes()
    with pytest.raises(ValueError, match="A GIF plays in"):
        plotting.save_gif(tmp_path / "a.gif", [PHOTO], **wrong)
    assert (tmp_path / "a.gif").read_bytes() == before
    with pytest.raises(FileNotFoundError, match="save_gif"):
        plotting.show_gif(tmp_path / "b.gif", alt="")


@pytest.mark.parametrize("name", ["merges.txt", "vocab.json"])
@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"\x80" * 9])
def test_a_damaged_tokenizer_is_named_with_what_to_do(tmp_path, name, damage):
    diffusers_format.save_tokenizer(tmp_path / "a", small_pipeline().tokenizer)
    path = tmp_path / "a" / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="damaged or only half .*its tokenizer.*Fetch it again"):
        diffusers_format.load_tokenizer(tmp_path / "a")


def test_a_name_at_a_hub_is_no_folder():
    with pytest.raises(FileNotFoundError, match="no folder someone/some-model.*find_weights"):
        load_pipeline("someone/some-model")


def test_an_interrupt_while_drawing_spoils_nothing():
    pipe = small_pipeline()
    wanted = text_to_image(pipe, CAPTIONS[0], seeded(), steps=3)

    def stop(*_):
        raise KeyboardInterrupt

    for draw, given in ((text_to_image, ()), (image_to_image, (wanted,))):
        with pytest.raises(KeyboardInterrupt):
            draw(pipe, CAPTIONS[0], *given, generator=seeded(), steps=3, callback=stop)
    assert torch.equal(text_to_image(pipe, CAPTIONS[0], seeded(), steps=3), wanted)
    assert torch.is_grad_enabled()


# --- downloads ---------------------------------------------------------------------------------


def test_who_is_second_keeps_what_the_first_has_fetched(tmp_path, monkeypatch):
    """The first lesson puts its data there while the second is still downloading."""
    monkeypatch.setattr(downloads, "FOLDER", tmp_path)
    monkeypatch.setattr(downloads, "open_address", lambda _: (tmp_path / "any").open("w"))
    monkeypatch.setattr(torchvision_data, "open_address", lambda _: (tmp_path / "any").open("w"))

    class Data:
        mirrors, resources = ["http://here/"], [("data.gz", "")]
        data, targets = np.zeros((3, 28, 28), np.uint8), [1, 2, 3]

        def __init__(self, folder, train=True, download=False):
            if download:
                for place, words in ((Path(folder), "second"), (tmp_path, "first")):
                    (place / "KMNIST").mkdir()
                    (place / "KMNIST" / "data").write_text(words)
            if not (Path(folder) / "KMNIST" / "data").exists():
                raise RuntimeError("not there")

    monkeypatch.setitem(torchvision_data.KINDS, "KMNIST", Data)
    assert datasets.from_torchvision("KMNIST")[1].tolist() == [1, 2, 3]
    assert (tmp_path / "KMNIST" / "data").read_text() == "first"


def test_a_download_onto_a_full_disk_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "FOLDER", tmp_path)
    monkeypatch.setattr(torchvision_data, "open_address", lambda _: (tmp_path / "any").open("w"))

    class Data:
        url = "http://here/cifar.tar.gz"

        def __init__(self, folder, train=True, download=False):
            raise OSError(28, "No space left on device")

    monkeypatch.setitem(torchvision_data.KINDS, "CIFAR10", Data)
    with pytest.raises(OSError, match="has no room for CIFAR10: make room"):
        datasets.from_torchvision("CIFAR10")
    assert [p.name for p in tmp_path.iterdir()] == ["any"]


def test_a_line_that_breaks_off_is_no_network(tmp_path, monkeypatch):
    class Broken(io.BytesIO):
        headers = {}

        def read(self, _):
            raise http.client.IncompleteRead(b"half")

    monkeypatch.setattr(downloads, "open_address", lambda _: Broken())
    with pytest.raises(OSError, match="w.pt did not arrive whole"):
        downloads.fetch("http://here/w.pt", tmp_path / "w.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_a_home_can_still_write_into_the_course(tmp_path, monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "downloads")
    assert downloads.folder() == tmp_path / "downloads"
    (tmp_path / "file").touch()
    monkeypatch.setattr(downloads, "FOLDER", tmp_path / "file" / "downloads")
    with pytest.raises(PermissionError, match="Nothing can be written to .*XDG_CACHE_HOME"):
        downloads.folder()


# --- unknown words and wrong kinds ---------------------------------------------------------------


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda: emoji.captions(emoji.Emoji("noto", "nothing", "")), "no concept 'nothing'"),
        (lambda: emoji.drawings("nobody"), "no style 'nobody': take one of noto"),
        (lambda: emoji.sheet("nobody"), "no style 'nobody': take one of noto"),
        (lambda: sprite_clip.prompts("taste"), r"no \['taste'\]: say some of"),
        (lambda: scores.features(np.zeros((2, 1, 28, 28))), "not a ndarray: plotting.as_batch"),
        (lambda: emoji_classifiers.read([PHOTO]), "not a list: plotting.as_batch"),
    ],
)
def test_unknown_words_and_wrong_kinds_are_explained(ask, says):
    with pytest.raises(ValueError, match=says):
        ask()
