"""Each peer can be read without being installed, and says exactly what is installed for it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from benchmarks import catalogue
from benchmarks.host import ROOT, load
from benchmarks.sizes import SMALL

NAMES = catalogue.names()
JOBS = {*SMALL, "resume", "plan+lookup"} - {"import"}
PIN = re.compile(r"[A-Za-z0-9._-]+==[^\s@]+")


def pin_problems(text: str) -> list[str]:
    """Lines that are no plain pins: with addresses, folders or open versions."""
    return [line for line in text.splitlines() if line.strip() and not PIN.fullmatch(line.strip())]


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_is_described_in_full(name) -> None:
    peer = load(name)

    assert peer.name == name
    assert peer.variants
    for variant in peer.variants:
        assert variant.configuration
        assert variant.records
        assert variant.keeps in catalogue.SURVIVES
        assert set(variant.jobs) <= JOBS, variant.name
        assert set(variant.limits) <= JOBS, variant.name
        assert ("crash" in variant.jobs) == ("resume" in variant.jobs), variant.name


def test_names_of_variants_are_their_own() -> None:
    names = [variant.name for name in NAMES for variant in load(name).variants]

    assert len(names) == len(set(names))


def test_they_are_read_with_the_standard_library_alone() -> None:
    code = "import sys; from benchmarks.host import load; [load(name) for name in sys.argv[1:] if name != 'ropewalk']"

    subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", *NAMES], check=True
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in catalogue.ALWAYS])
def test_pins_are_exact_and_name_no_place(name) -> None:
    found = catalogue.pins(name)

    assert found is not None
    assert not pin_problems(found.read_text())


@pytest.mark.parametrize(
    "line",
    ["ray", "ray>=2", "ray @ https://example.org/ray.whl", "-e /home/me/ray", "--index-url http://mirror", "/tmp/x"],
)
def test_a_planted_place_is_found(line) -> None:
    assert pin_problems(f"dask==1.0\n{line}\n") == [line]


def test_what_is_installed_and_what_survives_is_listed(peers) -> None:
    text = catalogue.listing()

    assert "fake (version –)" in text
    assert "  right: as a test needs it: right\n    survives: nothing; records: nothing\n" in text
    assert "  ropewalk: " in text
