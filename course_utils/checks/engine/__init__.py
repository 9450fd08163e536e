"""The engine of the exercises: four kinds, one table of slips, a record of what is solved."""

from course_utils.checks.engine.compare import NotYet, with_gradient
from course_utils.checks.engine.exercise import NOT_DONE, Exercise, Mistake
from course_utils.checks.engine.explore import Explore
from course_utils.checks.engine.write import Predict, Repair, Write

__all__ = [
    "NOT_DONE",
    "Exercise",
    "Explore",
    "Mistake",
    "NotYet",
    "Predict",
    "Repair",
    "Write",
    "with_gradient",
]
