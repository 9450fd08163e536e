"""A learner's own drawings: cropped, on white, and what is said of pictures that teach nothing."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter

from course_utils.data import creature
from course_utils.notebook import own_pictures


def drawing(paper=(255, 255, 255), box=(40, 60, 100, 180), size=(300, 240), mode="RGB"):
    image = Image.new("RGB", size, paper)
    ImageDraw.Draw(image).rectangle(box, fill=(200, 30, 40))
    return image.convert(mode)


def files(folder, *images, ending="png"):
    paths = [folder / f"{i}.{ending}" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        image.save(path)
    return paths


def test_what_is_drawn_is_cropped_into_the_middle_of_a_white_square(tmp_path):
    paths = files(tmp_path, drawing(), drawing(box=(10, 10, 210, 90)))
    found = own_pictures.load_pictures(paths)
    assert found.shape == (2, 3, 64, 64) and found.dtype == torch.float32
    assert found.min() >= -1 and found.max() == 1
    red = found[:, 0] > found[:, 1] + 0.5
    for picture, (height, width) in zip(red, ((121, 61), (81, 201)), strict=True):
        rows, columns = picture.any(1).nonzero()[:, 0], picture.any(0).nonzero()[:, 0]
        tall, wide = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        longer = 64 / 1.12
        assert abs(tall - longer * height / max(height, width)) <= 2
        assert abs(wide - longer * width / max(height, width)) <= 2
        assert abs(int(rows[0]) - (63 - int(rows[-1]))) <= 2  # in the middle
        assert abs(int(columns[0]) - (63 - int(columns[-1]))) <= 2


def test_a_photograph_of_a_drawing_on_grey_paper_comes_out_on_white():
    photo = drawing((188, 180, 165)).filter(ImageFilter.GaussianBlur(2))
    noise = np.random.default_rng(0).normal(0, 3, (240, 300, 3))
    photo = Image.fromarray((np.asarray(photo) + noise).clip(0, 255).astype(np.uint8))
    found = np.asarray(own_pictures.cropped(photo)).astype(int)
    assert np.median(found[:, :3].reshape(-1, 3), axis=0).min() > 245
    # and white paper gives the same picture, a blurred rim and the light aside
    plain = np.asarray(own_pictures.cropped(drawing())).astype(int)
    assert np.abs(found - plain).mean() < 20


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "1"])
def test_other_modes_and_gifs_of_one_picture_are_read(mode, tmp_path):
    other = drawing(box=(100, 20, 220, 60), mode=mode)
    ending = "png" if mode == "RGBA" else "gif"
    found = own_pictures.load_pictures(files(tmp_path, drawing(mode=mode), other, ending=ending))
    assert found.shape == (2, 3, 64, 64)


def test_what_is_transparent_is_white(tmp_path):
    image = Image.new("RGBA", (80, 80), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((20, 20, 60, 60), fill=(0, 90, 200, 255))
    other = image.transpose(Image.Transpose.ROTATE_90)
    ImageDraw.Draw(other).rectangle((20, 5, 30, 60), fill=(0, 90, 200, 255))
    found = own_pictures.load_pictures(files(tmp_path, image, other))
    assert (found[:, :, 0, 0] == 1).all()


def test_what_is_cropped_already_stays_as_it_is():
    for pose in creature.POSES:
        once = own_pictures.cropped(creature.draw(pose))
        again = own_pictures.cropped(once)
        apart = np.abs(np.asarray(once).astype(int) - np.asarray(again))
        assert apart.mean() < 12  # moved by a pixel at most


def test_one_picture_or_the_same_ones_are_refused(tmp_path):
    paths = files(tmp_path, drawing(), drawing(), drawing(box=(60, 70, 120, 190)))
    for few in (paths[:1], paths[0], str(paths[0]), []):
        with pytest.raises(ValueError, match="one picture only.*three to ten"):
            own_pictures.load_pictures(few)
    with pytest.raises(ValueError, match="All 3 pictures are the same.*other places"):
        own_pictures.load_pictures(paths)  # moved, but cropped it is the same picture


def test_films_dark_paper_and_empty_pictures_are_named(tmp_path):
    frames = [drawing(), drawing(box=(90, 20, 200, 60)), drawing(box=(1, 20, 20, 60))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="a.gif is a film of 3 pictures.*as PNG"):
        own_pictures.load_pictures([tmp_path / "a.gif"] * 2)
    with pytest.raises(ValueError, match="not light .red, green and blue are .20, 30, 40.*white"):
        own_pictures.cropped(drawing((20, 30, 40)))
    with pytest.raises(ValueError, match="Nothing is drawn"):
        own_pictures.cropped(Image.new("RGB", (50, 50), (230, 230, 225)))
    with pytest.raises(FileNotFoundError, match="There is no file"):
        own_pictures.load_pictures([tmp_path / "no.png"] * 2)
    with pytest.raises(ValueError, match="0 is no file"):
        own_pictures.load_pictures(["0", "1"])
