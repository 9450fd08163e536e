"""The fifth artist's sheet: whole, joined with the four styles' concepts, and its split."""

import numpy as np
import pytest

from course_utils.data import emoji, fifth_artist


def test_the_sheet_has_a_drawing_of_each_concept():
    drawings, sheet = fifth_artist.drawings(), fifth_artist.sheet()
    assert sheet.shape == (len(drawings), 64, 64, 3) and sheet.dtype == np.uint8
    assert len(drawings) > 500 and len({d.concept for d in drawings}) == len(drawings)
    assert {d.concept for d in drawings} <= set(emoji.concepts())
    assert {d.style for d in drawings}.isdisjoint(emoji.STYLES)
    drawn = (sheet < 250).any(axis=(1, 2, 3))
    assert drawn.all()
    assert (emoji.FOLDER / fifth_artist.SHEET).stat().st_size < 1_400_000


def test_no_drawing_is_one_of_the_four_styles():
    """The drawings of a concept differ from artist to artist."""
    own, sheet = fifth_artist.drawings(), fifth_artist.sheet().astype(float)
    for style in emoji.STYLES:
        others = {d.concept: i for i, d in enumerate(emoji.drawings(style))}
        theirs = emoji.sheet(style)
        apart = [
            np.abs(sheet[i] - theirs[others[d.concept]]).mean()
            for i, d in enumerate(own)
            if d.concept in others
        ]
        assert len(apart) > 400 and np.min(apart) > 0.5 and np.median(apart) > 15


def test_sixty_are_learned_and_no_near_copy_of_them_is_in_the_test():
    every = fifth_artist.drawings()
    learned, test = fifth_artist.split()
    assert len(learned) == 60 and not set(learned) & set(test) and len(test) > 400
    bases = [{emoji.base(every[i].concept) for i in part} for part in (learned, test)]
    assert bases[0].isdisjoint(bases[1])
    kinds = [every[i].category for i in learned]
    assert not set(kinds) & set(fifth_artist.UNLEARNED) and len(set(kinds)) == 7
    assert fifth_artist.split() == (learned, test)


def test_missing_and_damaged_files_are_named(tmp_path, monkeypatch):
    for name in (fifth_artist.SHEET, fifth_artist.INDEX, "index.json"):
        (tmp_path / name).write_bytes((emoji.FOLDER / name).read_bytes())
    monkeypatch.setattr(emoji, "FOLDER", tmp_path)
    assert len(fifth_artist.sheet()) == len(fifth_artist.drawings())
    (tmp_path / fifth_artist.SHEET).write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="fxemoji.webp is damaged.*git checkout data/emoji"):
        fifth_artist.sheet()
    (tmp_path / fifth_artist.SHEET).unlink()
    with pytest.raises(FileNotFoundError, match="fxemoji.webp is missing"):
        fifth_artist.sheet()
