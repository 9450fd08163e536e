"""take_photo gives uint8 RGB whatever the source, lets go of the camera, and explains failures."""

import base64
import io
import os
import re
import struct
import sys
import time
import types
import zlib
from pathlib import Path

import cv2
import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from course_utils.notebook import camera, colab_camera, frames
from course_utils.notebook.camera import CameraError, save_photo, take_photo

RED, GREEN, WHITE = (255, 0, 0), (0, 128, 0), (255, 255, 255)


def is_photo(image):
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.flags["C_CONTIGUOUS"]
        and image.flags["WRITEABLE"]
    )


@pytest.fixture(autouse=True)
def no_choice_by_environment(monkeypatch):
    monkeypatch.delenv("COURSE_CAMERA", raising=False)


class FakeCapture:
    """Stands in for cv2.VideoCapture: dark frames at first, as a real webcam gives."""

    made: list = []
    opens, breaks, frames, brightness = True, None, 1000, 200

    def __init__(self, source):
        self.source, self.reads, self.released = source, 0, False
        type(self).made.append(self)

    def isOpened(self):
        return self.opens

    def read(self):
        if self.breaks:
            raise self.breaks
        self.reads += 1
        if self.reads > self.frames:
            return False, None
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[..., 0] = min(self.brightness, 20 * self.reads)  # OpenCV's channel 0 is blue
        return True, frame

    def release(self):
        self.released = True


@pytest.fixture
def webcam(monkeypatch):
    fake = type("Capture", (FakeCapture,), {"made": []})
    monkeypatch.setattr(cv2, "VideoCapture", fake)
    monkeypatch.setattr(frames, "SECONDS_TO_WAKE", 0.2)
    return fake


def test_sample_is_a_photo():
    image = take_photo("sample")
    assert is_photo(image) and image.shape == (512, 512, 3)
    assert np.array_equal(image, take_photo(camera.SAMPLE))


def test_webcam_gives_rgb_after_it_has_settled(webcam):
    image = take_photo("webcam")
    assert is_photo(image) and image.shape == (48, 64, 3)
    assert (image == (0, 0, 200)).all()  # blue is last, and the dark first frames are gone
    assert webcam.made[0].source == 0 and webcam.made[0].released
    take_photo(2)
    assert webcam.made[1].source == 2


@pytest.mark.parametrize("breaks", [cv2.error("driver\nlong text"), KeyboardInterrupt()])
def test_camera_is_released_when_reading_fails(webcam, breaks):
    webcam.breaks = breaks
    with pytest.raises((CameraError, KeyboardInterrupt)):
        take_photo("webcam")
    assert webcam.made[0].released


@pytest.mark.parametrize(
    "settings, says",
    [({"opens": False}, "no picture"), ({"frames": 0}, "no picture"), ({"brightness": 3}, "black")],
)
def test_webcam_without_a_picture(webcam, settings, says, capsys):
    for name, value in settings.items():
        setattr(webcam, name, value)
    with pytest.raises(CameraError, match=says):
        take_photo("webcam")
    assert np.array_equal(take_photo(), take_photo("sample"))
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1 and says in printed and "sample photograph" in printed
    assert all(capture.released for capture in webcam.made)


class Script(FakeCapture):
    """A webcam that gives what `gives` lists, an error or a frame, and the last one ever after."""

    gives: list = []

    def read(self):
        self.reads += 1
        frame = self.gives[min(self.reads, len(self.gives)) - 1]
        if isinstance(frame, Exception):
            raise frame
        return frame is not None, frame


BLUE_FRAME = np.full((48, 64, 3), (200, 0, 0), np.uint8)  # blue, green, red
NOTHING = np.zeros((0, 0, 3), np.uint8)


@pytest.mark.parametrize(
    "before",
    [
        [None],
        [None] * 20,
        [NOTHING],
        [np.zeros_like(BLUE_FRAME)] * 40,
        [cv2.error("can't grab frame")],
        [BLUE_FRAME, None],
        [None, NOTHING, np.zeros_like(BLUE_FRAME), cv2.error("busy")],
    ],
    ids=["none", "nones", "empty", "black", "error", "gap", "all"],
)
def test_a_webcam_that_wakes_up_slowly_is_waited_for(webcam, monkeypatch, before, capsys):
    script = type("Script", (Script,), {"gives": [*before, BLUE_FRAME], "made": []})
    monkeypatch.setattr(cv2, "VideoCapture", script)
    monkeypatch.setattr(frames, "SECONDS_TO_WAKE", 5)
    assert (take_photo() == (0, 0, 200)).all()
    assert capsys.readouterr().out == "" and script.made[0].released


YUYV = np.zeros((48, 64, 2), np.uint8)
YUYV[..., 0], YUYV[..., 1] = 128, 128  # BT.601: luma 128 is grey 1.164 * (128 - 16) = 130


@pytest.mark.parametrize(
    "frame, colour",
    [
        (np.full((48, 64), 90, np.uint8), (90, 90, 90)),
        (np.full((48, 64, 1), 90, np.uint8), (90, 90, 90)),
        (np.full((48, 64, 4), (200, 0, 0, 255), np.uint8), (0, 0, 200)),
        (np.full((48, 64, 3), (65535, 0, 32896), np.uint16), (128, 0, 255)),
        (np.full((48, 64), 32896, np.uint16), (128, 128, 128)),
        (np.full((48, 64, 3), (1.0, 0.0, 0.5), np.float32), (128, 0, 255)),
        (YUYV, (130, 130, 130)),
        (BLUE_FRAME[:, ::-1], (0, 0, 200)),  # mirrored: not contiguous
    ],
    ids=["grey", "grey1", "bgra", "16bit", "grey16", "float", "yuyv", "mirrored"],
)
def test_frames_of_odd_kinds_become_rgb(webcam, monkeypatch, frame, colour, capsys):
    monkeypatch.setattr(cv2, "VideoCapture", type("S", (Script,), {"gives": [frame], "made": []}))
    image = take_photo()
    assert is_photo(image) and image.shape == (48, 64, 3) and capsys.readouterr().out == ""
    assert np.abs(image.astype(int) - colour).max() <= 1


@pytest.mark.parametrize("frame", [np.zeros((9, 9, 7), np.uint8), np.ones((4, 4), np.int32)])
def test_frames_that_are_no_pictures_lead_to_the_sample(webcam, monkeypatch, frame, capsys):
    script = type("S", (Script,), {"gives": [frame], "made": []})
    monkeypatch.setattr(cv2, "VideoCapture", script)
    assert np.array_equal(take_photo(), take_photo("sample"))
    assert "which is no picture" in capsys.readouterr().out and script.made[0].released


def test_a_camera_that_opens_slowly_is_told_of(webcam, monkeypatch, capsys):
    monkeypatch.setattr(frames, "SECONDS_TO_SAY", 0.05)

    class Slow(webcam):
        def __init__(self, source):
            time.sleep(0.3)
            super().__init__(source)

    monkeypatch.setattr(cv2, "VideoCapture", Slow)
    take_photo("webcam")
    printed = capsys.readouterr().out
    assert printed == "Opening the camera. On Windows that can take a minute.\n"
    monkeypatch.setattr(cv2, "VideoCapture", webcam)
    take_photo("webcam")
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
    # OpenCV's own cure, which it reads from the environment.
    assert os.environ["OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS"] == "0"


def test_auto_takes_the_webcam_where_there_is_one(webcam, capsys):
    assert take_photo().shape == (48, 64, 3)
    assert capsys.readouterr().out == ""


def test_auto_survives_an_opencv_that_does_not_start(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert np.array_equal(take_photo(), take_photo("sample"))
    assert "OpenCV does not start" in capsys.readouterr().out


def test_real_opencv_without_a_camera_is_silent(capfd):
    with pytest.raises(CameraError):
        take_photo(97)  # no machine has this many
    assert capfd.readouterr().err == ""


def test_environment_says_what_auto_means(webcam, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CAMERA", "sample")
    assert np.array_equal(take_photo(), take_photo("sample"))
    assert webcam.made == []
    assert take_photo("webcam").shape == (48, 64, 3)  # asked for by name: not overruled
    Image.new("RGB", (5, 4), RED).save(tmp_path / "red.png")
    monkeypatch.setenv("COURSE_CAMERA", str(tmp_path / "red.png"))
    assert take_photo().shape == (4, 5, 3)


@pytest.fixture
def colab(monkeypatch):
    """A stand-in for the module google.colab; set `answer` to what the browser gives."""
    google, module = types.ModuleType("google"), types.ModuleType("google.colab")
    module.output = types.SimpleNamespace(answer=None, scripts=[])

    def eval_js(script, ignore_result=False, timeout_sec=None):
        module.output.scripts.append(script)
        module.output.limit = timeout_sec
        if isinstance(module.output.answer, Exception):
            raise module.output.answer
        return module.output.answer

    module.output.eval_js = eval_js
    google.colab = module
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", module)
    return module.output


def test_colab_takes_the_photo_in_the_browser(colab, webcam):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), RED).save(buffer, "PNG")
    colab.answer = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    image = take_photo()
    assert is_photo(image) and image.shape == (24, 32, 3) and (image == RED).all()
    assert webcam.made == []
    script = colab.scripts[0]
    assert "getUserMedia" in script and "finally" in script and ".stop()" in script


def data_url(code):
    return "data:image/jpeg;base64," + code


@pytest.mark.parametrize(
    "answer, says",
    [
        (RuntimeError("NotAllowedError: denied"), "the browser gave no picture (NotAllowedError"),
        (None, "no answer came from the page with the camera. VS Code does not show such pages"),
        ("late", "no button was pressed within 60 seconds. Run the cell again"),
        ("", "the browser gave no picture (its answer was empty"),
        ("data:,", "the browser gave no picture (its answer was empty"),  # a canvas without pixels
        (data_url(""), "the browser gave no picture (its answer was empty"),
        ({"error": "?"}, "the browser gave no picture (its answer was empty"),
        (data_url("////"), "the browser gave no picture (cannot identify"),
        (data_url("abc"), "the browser gave no picture (Incorrect padding"),
    ],
)
def test_colab_without_a_picture_falls_back(colab, answer, says, capsys):
    colab.answer = answer
    assert np.array_equal(take_photo(), take_photo("sample"))
    printed = capsys.readouterr().out
    assert printed.startswith("Using the course's sample photograph: ") and says in printed
    assert printed.count("\n") == 1
    with pytest.raises(CameraError):
        take_photo("colab")


def test_colabs_page_has_a_second_button_that_takes_the_sample(colab, capsys):
    colab.answer = "sample"
    for source in ("auto", "colab"):
        assert np.array_equal(take_photo(source), take_photo("sample"))
        assert capsys.readouterr().out == (
            "Using the course's sample photograph: you asked for it.\n"
        )
    assert "Use the sample" in colab.scripts[0] and 'resolve("sample")' in colab.scripts[0]


def test_colabs_page_has_a_time_limit_and_so_has_who_waits_for_it(colab, monkeypatch):
    monkeypatch.setattr(colab_camera, "SECONDS", 7)
    take_photo()
    script = colab.scripts[0]
    assert "1000 * 7;" in script and 'setTimeout(() => resolve("late")' in script
    assert "SECONDS" not in script
    assert 7 < colab.limit < 60  # VS Code never shows the page: nobody but Python can stop


def test_an_older_colab_is_asked_without_a_limit(colab):
    waits, colab.answer = colab.eval_js, "sample"
    colab.eval_js = lambda script, ignore_result=False: waits(script)
    assert np.array_equal(take_photo(), take_photo("sample"))
    assert colab.limit is None


def test_colab_elsewhere_is_an_error():
    with pytest.raises(CameraError, match="only be used in Google Colab"):
        take_photo("colab")


def picture(mode, colour, **save):
    return lambda path: Image.new(mode, (40, 30), colour).save(path, **save)


def palette(path):
    image = Image.new("P", (40, 30), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(path)


def palette_with_transparency(path):
    image = Image.new("P", (40, 30), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(path, transparency=1)


def sixteen_bit_rgb(path):
    # Written by OpenCV, which knows 16-bit colour; blue, green, red.
    cv2.imwrite(str(path), np.full((30, 40, 3), (0, 0, 65535), np.uint16))


def sixteen_bit_grey(path):
    Image.fromarray(np.full((30, 40), 65535, np.uint16)).save(path)


def floating_point(path):
    values = np.linspace(-3, 5, 1200, dtype=np.float32).reshape(30, 40)
    values[0, 0] = np.nan
    Image.fromarray(values).save(path)


@pytest.mark.parametrize(
    "name, write, colour",
    [
        ("grey.png", picture("L", 77), (77,) * 3),
        ("bits.png", picture("1", 1), WHITE),
        ("grey_alpha.png", picture("LA", (0, 0)), WHITE),
        ("clear.png", picture("RGBA", (255, 0, 0, 0)), WHITE),
        ("half.png", picture("RGBA", (255, 0, 0, 128)), (255, 127, 127)),
        ("clear.webp", picture("RGBA", (0, 0, 0, 0), lossless=True), WHITE),
        ("palette.png", palette, RED),
        ("clear_palette.png", palette_with_transparency, WHITE),
        ("grey16.png", sixteen_bit_grey, WHITE),
        ("rgb16.png", sixteen_bit_rgb, RED),
        ("cmyk.jpg", picture("CMYK", (0, 255, 255, 0), quality=95), RED),
        ("lab.tiff", picture("LAB", (255, 128, 128)), None),
        ("float.tiff", floating_point, None),
        ("animation.gif", picture("RGB", GREEN), GREEN),
    ],
)
def test_any_kind_of_picture_becomes_rgb(tmp_path, name, write, colour):
    write(tmp_path / name)
    image = take_photo(tmp_path / name)
    assert is_photo(image) and image.shape == (30, 40, 3)
    if colour:
        assert np.abs(image.astype(int) - colour).max() <= 3


def test_middle_grey_of_16_bits_is_middle_grey(tmp_path):
    Image.fromarray(np.full((3, 4), 32896, np.uint16)).save(tmp_path / "grey.png")
    assert (take_photo(tmp_path / "grey.png") == 128).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_taken_sideways_is_turned_upright(tmp_path, orientation):
    upright = Image.new("RGB", (40, 20), WHITE)
    upright.paste(RED, (0, 0, 20, 10))  # top left
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    stored = upright.transpose(undo) if undo is not None else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    assert np.array_equal(take_photo(tmp_path / "photo.png"), np.asarray(upright))


@pytest.mark.parametrize("name", ["huge.jpg", "huge.png"])
def test_a_huge_picture_is_made_smaller(tmp_path, name):
    Image.new("RGB", (6000, 1500), RED).save(tmp_path / name)
    assert take_photo(tmp_path / name).shape == (320, 1280, 3)
    assert take_photo(tmp_path / name, longest_side=100).shape == (25, 100, 3)


def test_a_picture_is_never_made_larger(tmp_path):
    Image.new("RGB", (1, 1), RED).save(tmp_path / "dot.png")
    assert take_photo(tmp_path / "dot.png").shape == (1, 1, 3)


def test_a_picture_too_large_to_open_is_an_error(tmp_path, monkeypatch):
    Image.new("RGB", (100, 100)).save(tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"big.png cannot be read: Image size \(10000 pixels\)"):
        take_photo(tmp_path / "big.png")


def test_a_video_gives_a_frame(tmp_path):
    frames = np.zeros((30, 64, 64, 3), np.uint8)
    frames[..., 0] = 250
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64)
    )
    for frame in frames:
        writer.write(frame[..., ::-1].copy())
    writer.release()
    image = take_photo(tmp_path / "clip.avi")
    assert is_photo(image) and image.shape == (64, 64, 3)
    assert np.abs(image.astype(int) - (250, 0, 0)).max() < 12


def test_an_animated_gif_gives_its_first_frame(tmp_path):
    imageio.imwrite(tmp_path / "a.gif", [np.full((8, 8, 3), v, np.uint8) for v in (255, 0)])
    assert (take_photo(tmp_path / "a.gif") == 255).all()


def test_files_that_are_no_pictures(tmp_path, capfd):
    with pytest.raises(FileNotFoundError, match='"webcam"'):
        take_photo(tmp_path / "nothing.jpg")
    with pytest.raises(FileNotFoundError, match="smaple"):
        take_photo("smaple")
    with pytest.raises(ValueError, match="is a folder"):
        take_photo(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture at all")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 20)
    for name in ("notes.txt", "empty.mp4", "noise.mp4"):
        with pytest.raises(ValueError, match=f"{name} is no picture .* and no video"):
            take_photo(tmp_path / name)
    assert capfd.readouterr().err == ""


def png_with(**save):
    """A red picture 5 x 4 as a PNG file."""
    buffer = io.BytesIO()
    Image.new("RGB", (5, 4), RED).save(buffer, "PNG", **save)
    return buffer.getvalue()


def long_text():
    info = PngImagePlugin.PngInfo()
    info.add_text("workflow", "x" * 3_000_000, zip=True)
    return png_with(pnginfo=info)


def long_international_text():
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", "é" * 1_500_000, zip=True)
    return png_with(pnginfo=info)


def damaged_exif():
    # A TIFF header, and an entry for the orientation that points far behind the end.
    exif = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x05\x00\xff\xff\xff\x00\xff\xff\xff\x7f"
    return png_with(exif=b"Exif\x00\x00" + exif)


@pytest.mark.parametrize(
    "made",
    [
        long_text,
        long_international_text,
        lambda: png_with(icc_profile=bytes(3_000_000)),
        damaged_exif,
        lambda: png_with(exif=b"Exif\x00\x00nonsense"),
        lambda: png_with(icc_profile=b"no profile at all"),
    ],
    ids=["text", "itxt", "profile", "exif", "no exif", "no profile"],
)
def test_what_is_wrong_beside_the_picture_is_no_trouble(tmp_path, made):
    (tmp_path / "red.png").write_bytes(made())
    before = PngImagePlugin.MAX_TEXT_CHUNK
    assert (take_photo(tmp_path / "red.png") == RED).all()
    assert PngImagePlugin.MAX_TEXT_CHUNK == before


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK"),
        SyntaxError("broken PNG file"),
        struct.error("unpack requires a buffer of 4 bytes"),
        Image.DecompressionBombError("Image size exceeds limit"),
        IndexError("index out of range"),
        KeyError("P;7"),
        ZeroDivisionError("division by zero"),
        MemoryError(),
        RuntimeError("could not create decoder object"),
        zlib.error("Error -3 while decompressing data"),
        EOFError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("stage", ["open", "load"])
def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch, error, stage):
    (tmp_path / "red.png").write_bytes(png_with())

    def fail(*_, **__):
        raise error

    where = (Image, "open") if stage == "open" else (PngImagePlugin.PngImageFile, "load")
    monkeypatch.setattr(*where, fail)
    with pytest.raises(ValueError, match="red.png cannot be read: .*save it from there as JPEG"):
        take_photo(tmp_path / "red.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "ICO", "TGA", "PCX"])
def test_damaged_files_of_any_kind_are_read_or_explained(tmp_path, kind):
    """Bytes changed at random: a photo or a ValueError that names the file, and nothing else."""
    buffer = io.BytesIO()
    Image.open(camera.SAMPLE).resize((32, 32)).save(buffer, kind)
    whole, random = buffer.getvalue(), np.random.default_rng(0)
    for _ in range(30):
        raw = bytearray(whole[: random.integers(1, len(whole))])
        for place in random.integers(0, len(raw), 5):
            raw[min(place, random.integers(1, 200)) % len(raw)] = random.integers(256)
        path = tmp_path / f"damaged.{kind.lower()}"
        path.write_bytes(raw)
        try:
            assert is_photo(take_photo(path))
        except ValueError as error:
            assert path.name in str(error)


def test_a_picture_cut_off_is_an_error(tmp_path):
    whole = camera.SAMPLE.read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="half.jpg cannot be read"):
        take_photo(tmp_path / "half.jpg")


def test_a_photo_is_saved_only_where_git_ignores_it(tmp_path, monkeypatch):
    ignored = (camera.ROOT / ".gitignore").read_text().splitlines()
    assert f"/{camera.PHOTOS.relative_to(camera.ROOT)}/" in ignored
    monkeypatch.setattr(camera, "PHOTOS", tmp_path / "photos")
    image = take_photo("sample")
    assert not camera.PHOTOS.exists()  # taking one saves nothing
    path = save_photo(image, "me")
    assert path == tmp_path / "photos" / "me.png" and save_photo(image, "me.png") == path
    assert np.array_equal(take_photo(path), image)
    for name in ("", "../me", "a/b", ".."):
        with pytest.raises(ValueError, match="no folders"):
            save_photo(image, name)
    for wrong in (image[..., 0], image / 255.0, "image"):
        with pytest.raises(ValueError, match="H x W x 3"):
            save_photo(wrong, "me")


@pytest.fixture
def red(tmp_path):
    """A red picture in a folder with a space and an accent in its name."""
    path = tmp_path / "my phötos" / "a (1) photo.png"
    path.parent.mkdir()
    path.write_bytes(png_with())
    return path


@pytest.mark.parametrize(
    "paste",
    [
        lambda path: f'"{path}"',  # "Copy as path", on Windows
        lambda path: f"'{path}'",
        lambda path: f"“{path}”",
        lambda path: f"  {path} \n",
        lambda path: f' "{path} " ',
        lambda path: f"\u202a{path}",  # copied from the properties of a file, on Windows
        lambda path: path.as_uri(),
        lambda path: f"file://localhost{path.as_uri().removeprefix('file://')}",
        lambda path: f"<{path.as_uri()}>",
        lambda path: re.sub(r"([ ()])", r"\\\1", str(path)),  # dragged into a terminal
        lambda path: f"~/{path.parent.name}/{path.name}",
        lambda path: f"$PICTURES/{path.name}",
        lambda path: Path(f"~/{path.parent.name}/{path.name}"),
    ],
)
def test_paths_as_people_paste_them(red, monkeypatch, paste):
    monkeypatch.setenv("HOME", str(red.parent.parent))
    monkeypatch.setenv("PICTURES", str(red.parent))
    assert (take_photo(paste(red)) == RED).all()


@pytest.mark.parametrize(
    "name", ["'quoted'.png", " spaced ", "file:x.png", "$HOME.png", "7", "a\\ b"]
)
def test_a_file_with_an_odd_name_is_found_by_its_very_name(tmp_path, monkeypatch, webcam, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(png_with())
    assert (take_photo(name) == RED).all() and webcam.made == []


@pytest.mark.parametrize("source", ["0", " 1 ", '"2"', np.int64(3)])
def test_a_webcam_by_its_number_in_any_form(webcam, monkeypatch, source):
    assert take_photo(source).shape == (48, 64, 3)
    monkeypatch.setenv("COURSE_CAMERA", str(source))
    take_photo()
    wanted = int(str(source).strip('" '))
    assert [capture.source for capture in webcam.made] == [wanted, wanted]


@pytest.mark.parametrize("word", ["Sample", " sample ", "SAMPLE"])
def test_the_words_may_be_written_in_capitals(word):
    assert np.array_equal(take_photo(word), take_photo("sample"))


@pytest.mark.parametrize(
    "source, error, says",
    [
        ("", ValueError, "The source is empty"),
        ('""', ValueError, "The source is empty"),
        ("-1", ValueError, "counted from 0"),
        ("99999999999", ValueError, "there is no webcam 99999999999"),
        ("x" * 5000, FileNotFoundError, "There is no file xxx"),
        ("a\0b.png", FileNotFoundError, "There is no file a"),
        ("data:image/png;base64," + "A" * 9000, FileNotFoundError, "There is no file data:image"),
        ("/dev/null", ValueError, "is no file"),
    ],
)
def test_sources_that_are_nothing_are_explained(source, error, says):
    with pytest.raises(error, match=says) as raised:
        take_photo(source)
    assert len(str(raised.value)) < 600


def test_a_name_without_its_ending_is_completed_in_the_message(red):
    for wrong in (red.with_suffix(""), red.with_suffix(".jpg")):
        with pytest.raises(FileNotFoundError, match=r"But there is a \(1\) photo.png\."):
            take_photo(wrong)
