"""What a learner has solved: `python -m course_utils.checks.progress`, or `make progress`."""

import sys

from course_utils.checks import EXERCISES
from course_utils.checks.engine.record import place, solved

__all__ = ["by_lesson", "place", "report", "solved"]


def by_lesson() -> dict[int | str, dict[str, bool]]:
    """Each lesson's exercises in its order, and whether they are solved; then those beside them."""
    right, lessons = solved(), {}
    for name, exercise in EXERCISES.items():
        lessons.setdefault(exercise.lesson, {})[name] = name in right
    return lessons


def report() -> str:
    """Lessons done, exercises right, and what to do next, as lines of text."""
    lessons = by_lesson()
    everything = [right for of_lesson in lessons.values() for right in of_lesson.values()]
    numbered = [all(of.values()) for number, of in lessons.items() if isinstance(number, int)]
    lines = [
        f"{sum(numbered)} of {len(numbered)} lessons done, "
        f"{sum(everything)} of {len(everything)} exercises right."
    ]
    for number, of_lesson in lessons.items():
        marks = "".join("x" if right else "." for right in of_lesson.values())
        lines.append(f"  {_title(number):9}  {marks}")
    left = ((n, name) for n, of_lesson in lessons.items() for name in of_lesson)
    following = next((f"{name}, {_title(n)}" for n, name in left if not lessons[n][name]), None)
    return "\n".join([*lines, f"Next: {following}." if following else "All is done."])


def _title(lesson: int | str) -> str:
    return f"lesson {lesson:02}" if isinstance(lesson, int) else f"the {lesson}"


def main() -> None:
    """Print the report; a damaged file ends it with what to do."""
    try:
        print(report())
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
