"""take_photo gives uint8 RGB whatever the source, lets go of the camera, and explains failures."""

import base64
import io
import sys
import types

import cv2
import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from course_utils import camera
from course_utils.camera import CameraError, save_photo, take_photo

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

    def eval_js(script):
        module.output.scripts.append(script)
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


@pytest.mark.parametrize("answer", [RuntimeError("NotAllowedError: denied"), "", None])
def test_colab_without_a_picture_falls_back(colab, answer, capsys):
    colab.answer = answer
    assert np.array_equal(take_photo(), take_photo("sample"))
    assert "the browser gave no picture" in capsys.readouterr().out
    with pytest.raises(CameraError):
        take_photo("colab")


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
