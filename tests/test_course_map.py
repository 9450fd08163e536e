"""The map names the lessons as they name themselves, and draws each text inside its box."""

import itertools
import json
import re

import matplotlib.pyplot as plt
import nbformat
from matplotlib.patches import FancyBboxPatch

from course_utils.notebook import course_map
from tools.lessons import LESSONS, ROOT


def test_every_lesson_is_on_the_map_in_order_with_its_own_title():
    lessons = list(itertools.chain(*course_map.ROWS.values()))
    assert [lesson.stem[:2] for lesson in lessons] == [f"{i:02}" for i in range(16)]
    titles = {lesson.stem: lesson.title.replace("\n", " ") for lesson in lessons}
    for path in LESSONS:
        first = nbformat.read(path, as_version=4).cells[0].source
        assert re.search(r"^# (.+)$", first, re.M)[1] == f"{path.stem[:2]} · {titles[path.stem]}"


def test_texts_stay_inside_their_boxes():
    figure = course_map.draw()
    renderer = figure.canvas.get_renderer()
    axes = figure.axes[0]
    boxes = [p.get_window_extent(renderer) for p in axes.patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) == 16
    texts = [text.get_window_extent(renderer) for text in axes.texts if text.get_weight() == "bold"]
    texts += [t.get_window_extent(renderer) for t in axes.texts if t.get_fontsize() == 7.5]
    assert len(texts) == 32
    for text in texts:
        assert any(
            box.x0 <= text.x0 and text.x1 <= box.x1 and box.y0 <= text.y0 and text.y1 <= box.y1
            for box in boxes
        )
    plt.close(figure)


def test_the_timetable_reads_the_measured_times(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "02_encoder_decoder.ipynb").touch()
    measured = {"lessons": {"01_noise": {"seconds": 61.0}}}
    (tmp_path / "data" / "measured.json").write_text(json.dumps(measured))
    monkeypatch.setattr(course_map, "ROOT", tmp_path)
    lines = course_map.timetable().split("\n")
    assert len(lines) == 16
    assert lines[1].split("  ")[1:] != [] and lines[1].endswith("up to 1.5 min")
    assert lines[2].endswith("not timed yet")
    assert lines[14].endswith("still to be written")


def test_the_course_itself_has_a_timetable():
    assert course_map.ROOT == ROOT
    assert course_map.timetable().startswith("00  Start here")
