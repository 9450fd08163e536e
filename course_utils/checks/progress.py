"""What a learner has solved: `python -m course_utils.checks.progress`, or `make progress`."""

import sys

from course_utils.checks import EXERCISES
from course_utils.checks.engine.record import place, solved

__all__ = ["by_lesson", "place", "report", "solved"]


def by_lesson() -> dict[int, dict[str, bool]]:
    """Each lesson's exercises in its order, and whether they are solved."""
    right, lessons = solved(), {}
    for name, exercise in EXERCISES.items():
        lessons.setdefault(exercise.lesson, {})[name] = name in right
    return lessons


def report() -> str:
    """Lessons done, exercises right, and what to do next, as lines of text."""
    lessons = by_lesson()
    everything = [right for of_lesson in lessons.values() for right in of_lesson.values()]
    done = sum(all(of_lesson.values()) for of_lesson in lessons.values())
    lines = [
        f"{done} of {len(lessons)} lessons done, {sum(everything)} of {len(everything)} exercises "
        "right."
    ]
    for number, of_lesson in lessons.items():
        marks = "".join("x" if right else "." for right in of_lesson.values())
        lines.append(f"  lesson {number:02}  {marks}")
    left = ((n, name) for n, of_lesson in lessons.items() for name in of_lesson)
    following = next((f"{name}, lesson {n:02}" for n, name in left if not lessons[n][name]), None)
    return "\n".join([*lines, f"Next: {following}." if following else "All is done."])


def main() -> None:
    """Print the report; a damaged file ends it with what to do."""
    try:
        print(report())
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
