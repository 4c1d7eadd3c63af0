"""What `ropewalk` promises by name: sorted, there, and explained."""

from __future__ import annotations

import inspect
import types

import ropewalk

JSON = {"to_json", "from_json"}  # one contract for all: `from_json(to_json(x)) == x`
PUBLIC: list[str] = list(getattr(ropewalk, "__all__", []))


def undocumented(names: dict[str, object]) -> list[str]:
    """Names of functions, classes and their public methods that do not say what they do."""
    missing = []
    for name, value in names.items():
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue  # a value or a type alias: the reference explains it
        if not _own_docstring(value):
            missing.append(name)
        if inspect.isclass(value):
            missing += [f"{name}.{member}" for member in _undocumented_members(value)]
    return missing


def _undocumented_members(kind: type) -> list[str]:
    members = {name: value for name, value in vars(kind).items() if not name.startswith("_") and name not in JSON}
    return [
        name
        for name, value in members.items()
        if isinstance(value, types.FunctionType | classmethod | staticmethod | property) and not value.__doc__
    ]


def _own_docstring(value: object) -> bool:
    """A docstring of its own: neither inherited nor the signature that `@dataclass` writes."""
    text = getattr(value, "__doc__", None) if not inspect.isclass(value) else vars(value).get("__doc__")
    return bool(text) and not str(text).startswith(f"{getattr(value, '__name__', '')}(")


def test_public_names_are_unique() -> None:
    """Their order is checked too: by ruff's RUF022."""
    assert len(set(PUBLIC)) == len(PUBLIC)


def test_public_names_exist_and_are_what_dir_shows() -> None:
    for name in PUBLIC:
        assert hasattr(ropewalk, name), name
    assert set(PUBLIC) <= set(dir(ropewalk))


def test_public_names_have_docstrings() -> None:
    assert undocumented({name: getattr(ropewalk, name) for name in PUBLIC}) == []


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    assert not hasattr(ropewalk, "no_such_name")


def test_planted_names_without_docstrings_are_found() -> None:
    class Documented:
        """It is."""

        def method(self) -> None: ...

    class Bare: ...

    def bare() -> None: ...

    assert undocumented({"Documented": Documented, "Bare": Bare, "bare": bare, "LIMIT": 1}) == [
        "Documented.method",
        "Bare",
        "bare",
    ]
