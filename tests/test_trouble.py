"""TROUBLE.md: each row is tried out by a test, and quotes what the course really says."""

import ast
import re
from functools import cache

import nbformat
import pytest

from course_utils import ROOT
from tools.lessons import BESIDE, LESSONS, SOLUTIONS, code_cells

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
    11: "train_command::test_a_run_says_how_it_is_made_again_and_is_cut_off_and_resumed",
    12: "rough_use::test_a_full_disk_and_a_read_only_one_lose_nothing_and_are_explained",
    13: "datasets::test_a_read_only_course_folder_falls_back_to_the_users_cache",
    14: "rough_use::test_a_full_disk_and_a_read_only_one_lose_nothing_and_are_explained",
    15: "training::test_a_process_killed_while_saving_leaves_a_whole_file",
    16: "rough_use::test_a_kernel_killed_while_a_model_is_saved_leaves_the_older_one_whole",
    17: "rough_use::test_two_lessons_save_load_and_fetch_the_same_at_once",
    18: "training::test_a_missing_file_and_a_folder_are_named",
    19: "diffusers_folder::test_a_missing_or_damaged_file_is_named_with_what_to_do",
    20: "emoji::test_a_damaged_file_is_named_with_what_to_do",
    21: "training::test_another_architecture_is_named_and_left_alone",
    22: "diffusers_folder::test_what_is_no_safetensors_file_is_not_opened",
    23: "single_files::test_what_is_given_in_the_place_of_a_model_is_named",
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
    38: "timesteps::test_impossible_numbers_of_steps_are_refused",
    39: "pipeline::test_long_captions_are_cut_with_a_warning_and_none_is_refused",
    40: "train::test_a_loss_that_is_no_number_stops_the_run_before_the_weights_change",
    41: "training::test_lost_weights_never_replace_good_ones",
    42: "run_state::test_what_was_loaded_does_not_hold_its_file_open",
    43: "training::test_a_bar_that_was_left_early_does_not_disturb_the_next",
    44: "plotting::test_titles_are_shown_as_they_are",
    45: "tokenizer::test_a_very_long_word_is_quick_and_has_transformers_ids",
    46: "tokenizer::test_weights_in_a_prompt_are_plain_text_and_lesson_14_says_so",
    47: "camera::test_a_camera_that_opens_slowly_is_told_of",
    48: "camera::test_colab_without_a_picture_falls_back",
    49: "camera::test_colab_without_a_picture_falls_back",
    50: "camera::test_a_name_without_its_ending_is_completed_in_the_message",
    51: "person::test_weights_of_another_task_are_named_and_the_face_is_found",
    52: "person::test_where_no_detector_works_the_whole_picture_is_taken",
    53: "environment::test_an_opencv_without_its_library_of_the_system_is_named",
    54: "environment::test_a_python_built_without_lzma_is_named",
    55: "environment::test_a_pillow_without_webp_is_named",
    56: "environment::test_a_gpu_that_this_torch_does_not_know_is_named",
    57: "environment::test_a_package_built_for_another_numpy_is_named",
    58: "environment::test_a_windows_without_the_libraries_of_its_compiler_is_named",
    59: "colab::test_no_zip_half_a_zip_and_another_zip_are_explained",
    60: "colab::test_no_zip_half_a_zip_and_another_zip_are_explained",
    61: "colab::test_without_an_address_a_zip_that_was_uploaded_is_used",
    62: "environment::test_in_colab_no_cure_replaces_a_package",
    63: "single_files::test_a_full_model_with_a_stray_tensor_is_read_with_a_warning",
    64: "single_files::test_the_model_is_found_among_what_lies_beside_it",
    65: "diffusers_files::test_the_folder_of_a_part_is_named",
    66: "diffusers_tokenizers::test_a_word_without_a_vector_is_named",
    67: "diffusers_schedulers::test_schedulers_without_betas_are_named",
    68: "diffusers_files::test_files_that_cannot_be_mapped_are_read_all_the_same",
    69: "diffusers_files::test_a_disk_that_does_not_answer_is_no_damage",
    70: "diffusers_folder::test_the_shipped_folder_opens_with_the_plain_line_and_draws_the_same",
    71: "playground::test_without_a_canvas_a_rectangle_is_the_mask",
    72: "playground::test_what_is_no_picture_is_said_and_nothing_is_lost",
    73: "playground::test_what_goes_wrong_is_said_and_the_button_works_again",
}
"""The test that tries each row of TROUBLE.md."""


def rows():
    """The numbered rows of the page: number -> what the learner sees."""
    found = re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|", (ROOT / "TROUBLE.md").read_text(), re.M)
    return {int(number): seen for number, seen in found}


@cache
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
    assert list(rows()) == list(ROWS) == list(range(1, len(ROWS) + 1))


def expected_by(function):
    """The texts that a test looks for, whatever stands between their regular expressions' signs."""
    texts = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
    texts = [text for text in texts if isinstance(text, str)]
    pieces = [piece for text in texts for piece in re.split(r"\.\*|\\|\[|\n", text)]
    names = [node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)]
    names += [node.id for node in ast.walk(function) if isinstance(node, ast.Name)]
    return [piece.strip() for piece in pieces if len(piece.strip()) >= 6] + names


@pytest.mark.parametrize("number", ROWS)
def test_the_test_of_a_row_looks_for_a_message_that_the_row_quotes(number):
    file, name = ROWS[number].split("::")
    tree = ast.parse((ROOT / "tests" / f"test_{file}.py").read_text(encoding="utf-8"))
    tests = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    quoted = re.findall("`([^`]+)`", rows()[number])
    expected = expected_by(tests[name])
    assert not quoted or any(_same(text, quote) for text in expected for quote in quoted), expected


def _same(text, quote):
    """Whether a test's text is the quote, or has two words in a row of it or of its message."""
    whole = " ".join([quote, *(message for message in said() if quote in message)])
    words = text.strip(".:,").split()
    pairs = [" ".join(pair) for pair in zip(words, words[1:], strict=False)]
    return text == quote or any(f" {pair}" in f" {whole}" for pair in pairs)


def test_the_messages_are_the_courses_own():
    texts = said()
    quoted = [text for seen in rows().values() for text in re.findall("`([^`]+)`", seen)]
    assert len(quoted) > 39
    missing = [q for q in quoted if q != "KeyboardInterrupt" and not any(q in t for t in texts)]
    assert missing == []


def test_every_slider_of_a_lesson_has_a_picture_before_it():
    """Where no kernel runs, the page still shows what the slider would."""
    sliders = 0
    for path in LESSONS + BESIDE + SOLUTIONS:
        pictures = False  # whether the last cell of code has left one
        for cell in code_cells(nbformat.read(path, as_version=4)):
            if re.search(r"\bslider\(|ipywidgets|interact\(", cell.source):
                assert pictures, f"{path.name}: show the same as plain pictures first"
                sliders += 1
            outputs = [output.get("data", {}) for output in cell.outputs]
            pictures = any(kind.startswith("image/") for data in outputs for kind in data)
    assert sliders > 0
    page = (ROOT / "TROUBLE.md").read_text(encoding="utf-8")
    assert all(
        f"\n| {place}" in page for place in ("JupyterLab", "Notebook 7", "VS Code", "Codespaces")
    )


def test_the_readme_leads_there():
    assert "](TROUBLE.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
