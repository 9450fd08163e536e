"""Exercises that answer at once. `from course_utils import checks`, then `checks.NAME(my_NAME)`.

The exercises of lesson NN are in `lesson_NN.py`, those of a notebook beside the lessons in
`beside_NAME.py`; each is of one of the engine's four kinds, and all are gathered here.
"""

from course_utils.checks.engine import Exercise

__all__ = ["EXERCISES", "Exercise"]

EXERCISES: dict[str, Exercise] = {}
"""Every exercise of the course by its name."""


def _gather() -> None:
    import importlib
    import pkgutil

    modules = [module.name.partition("_") for module in pkgutil.iter_modules(__path__)]
    for kind in ("lesson", "beside"):
        for name in [part[2] for part in modules if part[0] == kind]:
            module = importlib.import_module(f"{__name__}.{kind}_{name}")
            for key, value in vars(module).items():
                if isinstance(value, Exercise):
                    value.name, value.lesson = key, int(name) if kind == "lesson" else name
                    EXERCISES[key] = globals()[key] = value


_gather()
