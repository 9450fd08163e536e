"""The playground's controls, driven as a hand drives them; pixels compared with those of Pillow."""

import io

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.notebook import playground, sketch
from course_utils.notebook.playground import SIDE, Asked, Playground
from course_utils.notebook.sketch import SCREEN, Sketch

RED = np.full((SIDE, SIDE, 3), (255, 0, 0), np.uint8)


@pytest.fixture(params=[True, False], ids=["canvas", "upload"])
def canvas(request):
    """With ipycanvas, and without."""
    return request.param


def seen(widget):
    return np.asarray(Image.open(io.BytesIO(widget.value)).convert("RGB"))


def upload(control, content):
    """What ipywidgets 8 puts there when a file was chosen."""
    about = {"name": "mine.png", "type": "image/png", "size": len(content)}
    about |= {"last_modified": 0}
    control.set_state({"value": [about | {"content": memoryview(content)}]})


def file_of(picture, mode="RGB"):
    file = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(file, "PNG")
    return file.getvalue()


def test_strokes_are_where_the_mouse_was(canvas):
    board = Sketch(canvas=canvas)
    assert (board.picture(SIDE) == 255).all()
    board.colour.value, board.size.value = "#ff0000", 32
    board.stroke([(64, 128), (192, 128)])
    found = board.picture(SIDE)
    assert tuple(found[32, 32]) == (255, 0, 0) and tuple(found[10, 32]) == (255, 255, 255)
    assert found[32, 13:51, 1].max() < 30 and found[32, 57:, 1].min() > 225
    board.emptied.click()
    assert (board.picture(SIDE) == 255).all()


def test_a_mouse_draws_only_while_it_is_down():
    board = Sketch(canvas=True)
    board._moved(50, 50)
    assert (board.picture(SIDE) == 255).all()
    board._moved(50, 50, begins=True)
    board._moved(90, 50)
    board._ended()
    board._moved(200, 200)
    found = board.picture(SIDE).min(axis=2)
    assert found[12, 17] < 128 and found[50, 50] == 255


def test_a_mask_is_painted_and_leaves_the_picture_as_it_is():
    board = Sketch(masks=True, canvas=True)
    board.put(RED)
    assert not board.mask(SIDE).any()
    board.size.value = 40
    board.stroke([(128, 128)])
    mask = board.mask(SIDE)
    assert mask[32, 32] and not mask[5, 5] and 50 < mask.sum() < 120  # pi 5^2 = 79
    assert (board.picture(SIDE) == RED).all()


def test_without_a_canvas_a_rectangle_is_the_mask():
    board = Sketch(masks=True, canvas=False)
    board.put(RED)
    assert "To draw with the mouse" in board.widget.children[0].value
    board.across.value, board.down.value = (64, 128), (0, 256)
    wanted = np.zeros((SIDE, SIDE), bool)
    wanted[:, 16:32] = True
    assert (board.mask(SIDE) == wanted).all()
    shown = seen(board.shown)
    assert tuple(shown[10, 100]) == (255, 0, 170) and tuple(shown[10, 10]) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_an_uploaded_picture_lies_on_the_surface(canvas, mode):
    board = Sketch(canvas=canvas)
    upload(board.upload, file_of(np.full((30, 60, 3), 0, np.uint8), mode))
    assert board.status.value == "" and (board.picture(SIDE) == 0).all()


def test_what_is_no_picture_is_said_and_nothing_is_lost(canvas):
    board = Sketch(canvas=canvas)
    board.put(RED)
    upload(board.upload, b"no picture")
    assert "no picture that can be read" in board.status.value
    assert (board.picture(SIDE) == RED).all()


def test_an_uploaded_picture_of_16_bits_keeps_its_greys():
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)).save(file, "PNG")
    assert (sketch._opened(file.getvalue()) == 128).all()


def test_what_ipywidgets_7_uploads_is_read():
    content = file_of(RED)
    assert sketch._content({"mine.png": {"metadata": {}, "content": content}}) == content


def drawn(asked, show):
    show(torch.zeros(3, SIDE, SIDE))
    return RED


def test_a_prompt_is_drawn_and_kept_with_its_settings(tmp_path):
    shown = []

    def draw(asked, show):
        show(torch.zeros(3, SIDE, SIDE))
        shown.append(asked)
        return RED

    play = Playground(draw, "a cat", styles=["noto", "blob"])
    play.style.value, play.negative.value, play.seed.value = "blob", "a dog", 3
    play.go.click()
    wanted = Asked("a cat, blob style", "a dog", 4.0, 20, 3)
    assert shown == [wanted] and play.status.value == ""
    assert (seen(play.picture) == (255, 0, 0)).all() and len(play.before.children) == 1
    (path,) = play.save(tmp_path)
    assert path.name == "0001_a_cat_blob_style.png"
    text = Image.open(path).text["parameters"]
    assert text == (
        "a cat, blob style\nNegative prompt: a dog\n"
        "Steps: 20, Sampler: DPM++ 2M, CFG scale: 4, Seed: 3"
    )
    assert (np.asarray(Image.open(path)) == RED).all()
    assert play.save(tmp_path) == [] and "Nothing new" in play.status.value
    play.another.click()
    assert [p.name[:4] for p in play.save(tmp_path)] == ["0002"]
    assert len([*tmp_path.iterdir()]) == 2


def test_loras_are_asked_for_by_their_scales():
    found = []
    draw = lambda asked, show: found.append(asked) or RED  # noqa: E731
    play = Playground(draw, "a cat", loras=["creature", "style"])
    play.go.click()
    play.loras["style"].value = 0.8
    play.go.click()
    assert [asked.loras for asked in found] == [(), (("style", 0.8),)]
    assert found[1].parameters().startswith("a cat <lora:style:0.8>\nNegative prompt: ")


def test_a_sketch_goes_with_its_strength_and_a_mask_with_its_picture():
    found = []
    draw = lambda asked, show: found.append(asked) or RED  # noqa: E731
    play = Playground(draw, "a lion", sketch=Sketch(canvas=False))
    play.strength.value = 0.7
    play.go.click()
    assert found[0].strength == 0.7 and found[0].mask is None
    assert found[0].picture.shape == (SIDE, SIDE, 3)
    assert "Denoising strength: 0.7" in found[0].parameters()
    board = Sketch(masks=True, canvas=True)
    play = Playground(draw, "a hat", sketch=board)
    play.go.click()
    assert "Paint over" in play.status.value and len(found) == 1
    board.stroke([(100, 100)])
    play.go.click()
    assert found[1].mask.any() and found[1].mask.shape == (SIDE, SIDE)


@pytest.mark.parametrize("prompt, says", [("  ", "prompt is empty"), ("a cat", "out of memory")])
def test_what_goes_wrong_is_said_and_the_button_works_again(prompt, says):
    def draw(asked, show):
        raise RuntimeError("out of memory")

    play = Playground(draw, prompt)
    play.go.click()
    assert says in play.status.value and not play.go.disabled and not play.history


def test_what_is_shown_is_one_widget(monkeypatch):
    shown = []
    monkeypatch.setattr(playground, "display", shown.append)
    play = Playground(drawn, "a cat")
    playground.show(play)
    assert shown == [play.widget] and isinstance(play.widget, widgets.VBox)
    assert seen(play.picture).shape == (SCREEN, SCREEN, 3)
