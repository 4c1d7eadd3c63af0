"""Environments of peers are made once, and kept for as long as their pins stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import catalogue, environments


@pytest.fixture
def venv(peers, monkeypatch) -> Path:
    """An environment of `fake` that somebody has made by hand, with one package."""
    monkeypatch.setattr(catalogue, "VENVS", peers / "venvs")
    place = peers / "venvs/fake"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    described = next(place.glob("lib/python*/site-packages")) / "some_thing-1.0.dist-info/METADATA"
    described.parent.mkdir()
    described.write_text("Metadata-Version: 2.1\nName: some_thing\nVersion: 1.0\n")
    (peers / "fake.txt").write_text("Some.Thing==1.0\n")
    return place


def test_what_is_there_as_pinned_is_not_made_again(venv, capsys) -> None:
    codes = [environments.install("fake"), environments.install("fake")]

    assert codes == [0, 0]
    assert capsys.readouterr().out == "bench-peers: fake is there, as pinned\nbench-peers: fake is there\n"
    assert catalogue.is_installed("fake")


def test_when_pins_change_the_environment_is_made_anew(venv, peers, capsys, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(environments, "_make", lambda *args: bool(made.append(args)))
    environments.install("fake")
    (peers / "fake.txt").write_text("Some.Thing==1.1\n")

    code = environments.install("fake")

    assert (code, len(made)) == (1, 1)
    assert "not installed: fake" in capsys.readouterr().err


def test_a_peer_that_there_is_not_is_refused(peers) -> None:
    with pytest.raises(SystemExit, match="no peer `nobody`"):
        environments.install("nobody")
