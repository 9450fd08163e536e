"""data/prompts.csv: 200 prompts as people type them, and what they ask for."""

import csv
import re
from collections import Counter

import pytest

from course_utils import ROOT
from course_utils.data import emoji, emoji_captions, emoji_edits
from course_utils.evaluation import emoji_things

KINDS = {"name": 40, "colour": 40, "background": 30, "pair": 30, "mood": 25, "style": 35}


@pytest.fixture(scope="module")
def rows():
    with (ROOT / "data" / "prompts.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_kinds_are_balanced_and_no_prompt_comes_twice(rows):
    assert Counter(row["kind"] for row in rows) == KINDS
    assert len({row["prompt"] for row in rows}) == 200
    assert all(row["prompt"] == row["prompt"].strip() for row in rows)


def test_a_row_says_what_its_prompt_says(rows):
    for row in rows:
        words = set(re.findall(r"[a-z]+", row["prompt"]))
        assert words & {*emoji.STYLES} == {row["style"]} - {""}, row
        spoken = words & {*emoji_edits.COLOURS, *emoji_edits.BACKGROUNDS}
        assert spoken == {row["colour"], row["background"]} - {""}, row
        assert bool(row["style"]) == (row["kind"] == "style")
        assert bool(row["other"]) == (row["kind"] == "pair")
        assert ("/" in row["thing"]) <= (row["kind"] == "mood")


def test_what_is_marked_is_what_the_rules_keep_out(rows):
    for row in rows:
        thing = row["thing"].split("/")[0]
        colour = row["colour"] and emoji_captions.held_out_colour(thing, row["colour"])
        style = row["style"] and emoji.held_out_style(thing) == row["style"]
        assert row["held_out"] == ("colour" if colour else "style" if style else ""), row
    marks = Counter(row["held_out"] for row in rows)
    assert marks["colour"] >= 10 and marks["style"] >= 15


def test_one_of_four_choices_is_right_and_the_others_share_no_word_with_it(rows):
    where = Counter()
    for row in rows:
        for right, choices in (
            (row["thing"], row["choices"]),
            (row["other"], row["other_choices"]),
        ):
            names = choices.split("|") if choices else []
            assert (len(names), names.count(right)) == ((4, 1) if right else (0, 0)), row
            wrong = [name for name in names if name != right]
            for name in [*right.split("/"), *wrong] if right else []:
                assert name in emoji_things.things(), name
            for name in wrong:
                for mine in right.split("/"):
                    assert not set(name.split()) & set(mine.split()) - {"of", "with", "face"}, row
            where.update(names.index(right) for _ in names[:1])
    assert min(where[i] for i in range(4)) > 35  # of 230: no place is the right one more often


def test_colours_can_be_given_to_the_things_that_are_asked_for_in_them(rows):
    for row in rows:
        if row["colour"]:
            concept = emoji.concepts()[row["thing"]]
            drawing = emoji.Emoji(concept.styles[0], row["thing"], concept.category)
            assert emoji_captions.can_be_coloured(drawing) or row["colour"] in row["prompt"]
