"""`make bench-check` finds what has become slower, names it, and is not taken in by noise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.regressions import PAIRS, REPEAT, Pair, check, take
from benchmarks.results import Measured

CHAIN, FAN_OUT = Pair("ropewalk", "chain", 20, "commit+pipe"), Pair("ropewalk", "fanout", 30, "process-pool")
COSTS = {"ropewalk": 2.0, "commit+pipe": 1.0, "process-pool": 1.0}


def one(variant: str, workload: str, n: int) -> Measured:
    return Measured(variant, workload, n, "ok", wall_s=COSTS[variant], cpu_s=COSTS[variant] / 2)


@pytest.fixture
def accepted(tmp_path) -> Path:
    path = tmp_path / "accepted.json"
    path.write_text(json.dumps({"ratios": take([CHAIN, FAN_OUT], 1, one)}))
    return path


def compare(path: Path, pairs: list[Pair], cost: Callable[[str, str, int], Measured], *, busy: bool = False) -> int:
    return check(path, pairs, cost, busy=busy)


def slower(workload: str, figure: str, times: float, turns: int = 1000) -> Callable[[str, str, int], Measured]:
    """We cost more in one workload, the first so many times."""
    left = [turns]

    def cost(variant: str, name: str, n: int) -> Measured:
        found = one(variant, name, n)
        if variant == "ropewalk" and name == workload and left[0] > 0:
            left[0] -= 1
            wall_s, cpu_s = (value * times if figure == of else value for of, value in (("wall", 2.0), ("cpu", 1.0)))
            return Measured(variant, name, n, "ok", wall_s=wall_s, cpu_s=cpu_s)
        return found

    return cost


@pytest.mark.parametrize("figure", ["wall", "cpu"])
def test_a_planted_slowdown_is_named(figure, accepted, capsys) -> None:
    code = compare(accepted, [CHAIN, FAN_OUT], slower("chain", figure, 1.3))

    said = [line for line in capsys.readouterr().out.splitlines() if "REGRESSION" in line]
    assert code == 1
    assert len(said) == 1
    assert f"chain 20, ropewalk to commit+pipe: {figure} was 2.00 ×, is 2.60 × (+30%)" in said[0]


def test_what_stays_within_the_limit_is_accepted(accepted) -> None:
    assert compare(accepted, [CHAIN, FAN_OUT], slower("chain", "wall", 1.2)) == 0


def test_what_was_slow_once_is_measured_again(accepted, capsys) -> None:
    code = compare(accepted, [CHAIN, FAN_OUT], slower("chain", "wall", 3.0, turns=REPEAT))

    assert code == 0
    assert "again, since it seems worse: chain 20" in capsys.readouterr().err


def test_on_a_busy_machine_only_cpu_seconds_are_judged(accepted) -> None:
    assert compare(accepted, [CHAIN], slower("chain", "wall", 3.0), busy=True) == 0
    assert compare(accepted, [CHAIN], slower("chain", "cpu", 1.3), busy=True) == 1


def test_a_few_slow_repetitions_do_not_matter(accepted, capsys) -> None:
    assert compare(accepted, [CHAIN], slower("chain", "wall", 9.0, turns=REPEAT // 2)) == 0
    assert "again" not in capsys.readouterr().err


def test_without_accepted_figures_there_is_nothing_to_compare(tmp_path, capsys) -> None:
    assert compare(tmp_path / "none.json", [CHAIN], one) == 1
    assert "check --accept" in capsys.readouterr().err


def test_what_cannot_be_measured_is_no_pass(accepted) -> None:
    def failing(variant: str, workload: str, n: int) -> Measured:
        return Measured(variant, workload, n, "failed", "there is no disk")

    with pytest.raises(RuntimeError, match="commit\\+pipe, chain 20: failed; there is no disk"):
        compare(accepted, [CHAIN], failing)


def test_real_runs_are_compared(tmp_path) -> None:
    """Against ratios of which we can only be worse, or better."""
    path, pair = tmp_path / "accepted.json", Pair("ropewalk-inline", "fanout", 300, "process-pool", ("cpu",))
    path.write_text(json.dumps({"ratios": {pair.name: {"cpu": 0.001}}}))

    assert check(path, [pair], repeats=(1, 1)) == 1
    path.write_text(json.dumps({"ratios": {pair.name: {"cpu": 1000.0}}}))
    assert check(path, [pair], repeats=(1, 1)) == 0


def test_what_is_accepted_in_the_repository_covers_what_is_checked() -> None:
    path = Path(__file__).parents[2] / "benchmarks/accepted.json"

    ratios = json.loads(path.read_text())["ratios"]

    assert {pair.name: set(pair.figures) for pair in PAIRS} == {name: set(each) for name, each in ratios.items()}
