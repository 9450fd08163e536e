"""TROUBLE.md: each row is tried out by a test, and quotes what the course really says."""

import ast
import re

import pytest

from course_utils import ROOT

ROWS = {
    1: "environment::test_an_old_python_is_named",
    2: "environment::test_missing_and_wrong_packages_are_named_with_the_command",
    3: "environment::test_a_torch_and_a_torchvision_that_do_not_fit_are_named",
    4: "environment::test_little_memory_and_a_full_disk_are_named",
    5: "training::test_a_budget_that_is_no_positive_number_is_named",
    6: "rough_use::test_a_home_with_spaces_and_accents_and_another_working_directory",
    7: "training::test_the_stop_button_of_jupyter_ends_the_cell_normally",
    8: "training::test_a_second_press_stops_a_step_that_is_stuck",
    9: "training::test_expect_raises_nothing_after_a_short_run",
    10: "training::test_expect_holds_a_full_run_to_its_claim",
    11: "resume::test_a_run_that_was_cut_off_goes_on_number_for_number",
    12: "rough_use::test_a_full_disk_and_a_read_only_one_lose_nothing_and_are_explained",
    13: "datasets::test_a_read_only_course_folder_falls_back_to_the_users_cache",
    14: "rough_use::test_a_full_disk_and_a_read_only_one_lose_nothing_and_are_explained",
    15: "training::test_a_process_killed_while_saving_leaves_a_whole_file",
    16: "rough_use::test_a_kernel_killed_while_a_model_is_saved_leaves_the_older_one_whole",
    17: "rough_use::test_two_lessons_save_load_and_fetch_the_same_at_once",
    18: "training::test_a_missing_file_and_a_folder_are_named",
    19: "layout_folder::test_a_missing_or_damaged_file_is_named_with_what_to_do",
    20: "emoji::test_a_damaged_file_is_named_with_what_to_do",
    21: "training::test_another_architecture_is_named_and_left_alone",
    22: "layout_folder::test_what_is_no_safetensors_file_is_not_opened",
    23: "published::test_other_files_are_refused_with_what_they_are",
    24: "rough_input::test_a_name_at_a_hub_is_no_folder",
    25: "datasets::test_no_network_fails_at_once_with_a_clear_message",
    26: "person::test_the_sample_person_is_found_without_weights",
    27: "published::test_weights_are_found_where_they_are_and_never_fetched_unasked",
    28: "datasets::test_a_download_that_breaks_off_does_not_spoil_the_next",
    29: "rough_input::test_a_download_onto_a_full_disk_is_explained",
    30: "camera::test_webcam_without_a_picture",
    31: "person::test_nobody_is_an_error_that_helps",
    32: "camera::test_files_that_are_no_pictures",
    33: "rough_input::test_a_photo_from_nowhere_is_explained",
    34: "rough_input::test_an_interrupt_while_drawing_spoils_nothing",
    35: "scores::test_what_is_no_picture_is_refused",
    36: "pipeline::test_other_pictures_are_refused_with_what_to_do",
    37: "pipeline::test_inpainting_keeps_what_is_known_and_draws_the_rest",
    38: "paths::test_paths_refuse_impossible_numbers_of_steps",
    39: "pipeline::test_long_captions_are_cut_with_a_warning_and_none_is_refused",
}
"""The test that tries each row of TROUBLE.md."""


def rows():
    """The numbered rows of the page: number -> what the learner sees."""
    found = re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|", (ROOT / "TROUBLE.md").read_text(), re.M)
    return {int(number): seen for number, seen in found}


def said():
    """All texts of the course's code; what is filled in at run time is left out."""
    texts = [(ROOT / "Makefile").read_text()]
    for folder in ("course_utils", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    values = [getattr(part, "value", "") for part in node.values]
                    texts.append("".join(v if isinstance(v, str) else "\0" for v in values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


def test_every_row_has_its_test():
    assert list(rows()) == list(ROWS) == list(range(1, 40))


@pytest.mark.parametrize("number", ROWS)
def test_the_test_of_a_row_exists(number):
    file, name = ROWS[number].split("::")
    assert f"\ndef {name}(" in (ROOT / "tests" / f"test_{file}.py").read_text(encoding="utf-8")


def test_the_messages_are_the_courses_own():
    texts = said()
    quoted = [text for seen in rows().values() for text in re.findall("`([^`]+)`", seen)]
    assert len(quoted) > 39
    missing = [q for q in quoted if q != "KeyboardInterrupt" and not any(q in t for t in texts)]
    assert missing == []


def test_the_readme_leads_there():
    assert "](TROUBLE.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
