"""Few dependencies, pinned, and by name only: no address of any index."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
A_DOZEN = 12


def closure(wanted: list[str]) -> set[str]:
    """Names of the distributions that the requirements bring into this environment."""
    found: set[str] = set()
    open_requirements = [(Requirement(text), "") for text in wanted]
    while open_requirements:
        requirement, extra = open_requirements.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        new = f"{name}[{','.join(sorted(requirement.extras))}]"
        if new not in found:
            found.add(new)
            needs = _own(requirement.extras) if name == "ropewalk" else requires(name) or []
            open_requirements += [(Requirement(text), e) for text in needs for e in (requirement.extras or {""})]
    return {name.split("[")[0] for name in found} - {"ropewalk"}


def _own(extras: set[str]) -> list[str]:
    return PROJECT["dependencies"] + [text for e in extras for text in PROJECT["optional-dependencies"][e]]


def pins(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_the_base_install_brings_at_most_a_dozen_packages() -> None:
    assert len(closure(["ropewalk"])) <= A_DOZEN


def test_everything_that_any_extra_brings_is_pinned() -> None:
    needed = closure([f"ropewalk[{','.join(PROJECT['optional-dependencies'])}]"])

    assert needed - pins(PINS).keys() == set()


def test_pins_and_project_name_no_host() -> None:
    for name in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"://|--index-url|--find-links|--trusted-host", text), name


def test_an_unpinned_package_would_be_noticed() -> None:
    without_rich = re.sub(r"^rich==.*\n", "", PINS, flags=re.MULTILINE)

    assert closure(["ropewalk"]) - pins(without_rich).keys() == {"rich"}
