"""The front door of what the learner builds: `course_utils.built` has all of it by name."""

import importlib
import pkgutil

import course_utils.built as built

FILES = {
    m.name: importlib.import_module(f"{built.__name__}.{m.name}")
    for m in pkgutil.iter_modules(built.__path__)
}


def test_every_public_function_and_class_is_exported_and_nothing_else():
    """Beside them a few constants in capitals, each defined in one of the files."""
    made = {
        name: value
        for file in FILES.values()
        for name, value in vars(file).items()
        if getattr(value, "__module__", None) == file.__name__ and not name.startswith("_")
    }
    exported = {name for name in built.__all__ if not name.isupper() or name in made}
    assert sorted(exported) == sorted(made)
    for name, value in made.items():
        assert getattr(built, name) is value, name


def test_constants_that_are_exported_are_those_of_a_file():
    constants = [name for name in built.__all__ if name.isupper() and name.isidentifier()]
    for name in constants:
        assert any(vars(file).get(name) is getattr(built, name) for file in FILES.values()), name
    assert "SAMPLERS" in constants


def test_no_two_files_define_the_same_name():
    """Else one of them would be out of reach here."""
    found = [
        name
        for file in FILES.values()
        for name, value in vars(file).items()
        if getattr(value, "__module__", None) == file.__name__ and not name.startswith("_")
    ]
    assert len(found) == len(set(found))


def test_the_list_is_in_order_and_each_name_is_there_once():
    assert built.__all__ == sorted(set(built.__all__))
