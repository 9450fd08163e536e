"""Exercises that answer at once. `from course_utils import checks`, then `checks.NAME(my_NAME)`.

The exercises of lesson NN are in `lesson_NN.py`; each is of one of the engine's four kinds, and all
are gathered here.
"""

from course_utils.checks.engine import Exercise

__all__ = ["EXERCISES", "Exercise"]

EXERCISES: dict[str, Exercise] = {}
"""Every exercise of the course by its name."""


def _gather() -> None:
    import importlib
    import pkgutil

    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("lesson_"):
            for name, value in vars(importlib.import_module(f"{__name__}.{module.name}")).items():
                if isinstance(value, Exercise):
                    value.name, value.lesson = name, int(module.name[-2:])
                    EXERCISES[name] = globals()[name] = value


_gather()
