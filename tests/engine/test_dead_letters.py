"""What fails for good is parked, grouped by what went wrong, and repairs its run when it is tried again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ropewalk import Retry, each, loop, pipeline, task
from ropewalk.author.pipeline import Pipeline, trace
from ropewalk.core import events as ev
from ropewalk.core.artifact import Failure
from ropewalk.core.errors import UsageError
from ropewalk.core.fingerprint import fingerprint, normalised
from ropewalk.engine.changed import check_unchanged
from ropewalk.engine.client import Options
from ropewalk.engine.result import RunResult
from ropewalk.store import deadletters, runs
from ropewalk.store.deadletters import DeadLetter
from ropewalk.testing.invariants import parked_problems, problems
from tests.engine.live import Live, Watch, note


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


@task
def numbers(n: int) -> list[int]:
    return list(range(n))


@task
def work(x: int, ledger: str) -> int:
    note(ledger, f"work {x}")
    if x % 5 == 3 and not Path(ledger + ".fixed").exists():
        raise ValueError(f"no {x} at {hex(4096 + x)}: '{x}'")
    if x % 5 == 4 and not Path(ledger + ".opened").exists():
        raise OSError(f"closed {x}")
    return x * 10


@task
def then(x: int, ledger: str) -> int:
    note(ledger, f"then {x}")
    return x + 1


@task
def total(xs: list[int], ledger: str) -> int:
    note(ledger, "total")
    return sum(xs)


@pipeline
def strict(ledger: str, n: int = 10):
    return total(then(each(work(each(numbers(n)), ledger)), ledger), ledger)


@pipeline
def tolerant(ledger: str, n: int = 10):
    return there(counted(each(work.options(partial_ok=0.5)(each(numbers(n)), ledger))))


@task
def counted(x: int) -> int:
    return 1


@task
def there(xs: list[int | None]) -> int:
    return sum(x is not None for x in xs)


def repair(live: Live, what: Pipeline, only: dict[str, list[int]], watch: Watch | None = None, **params) -> RunResult:
    with live.client() as client:
        last = runs.find(client.db, "last")
        return client.resume(last, trace(what, params), Options("inline"), watch, only=only)


def parked(live: Live, run: int | None = None) -> list[DeadLetter]:
    with live.client() as client:
        found = deadletters.listing(client.db, run=run)
        for number in {letter.run for letter in found}:
            assert problems(client.db, number) == []
        return found


def failed_items(letters: list[DeadLetter]) -> list[tuple[str, int]]:
    return [(letter.node, letter.item) for letter in letters]


def fix(live: Live, name: str = ".fixed") -> None:
    Path(live.ledger + name).write_text("")


# parking


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_what_fails_for_good_is_parked_with_what_it_was_given(live: Live, executor: str) -> None:
    result = live.run(strict, executor, ledger=live.ledger)

    letters = parked(live)

    assert failed_items(letters) == [("work", 3), ("work", 4), ("work", 8), ("work", 9)]
    assert [letter.attempts for letter in letters] == [1, 1, 1, 1]
    assert all(letter.run == result.number and letter.key and letter.at for letter in letters)
    assert set(letters[0].inputs) == {"x", "ledger"}
    assert len({letter.inputs["x"] for letter in letters}) == 4
    assert letters[0].failure.message == "ValueError: no 3 at 0x1003: '3'"


def test_the_same_error_with_other_values_is_one_group(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)
    live.run(strict, "inline", ledger=live.ledger, n=4)

    with live.client() as client:
        found = {group.failure.error_type: group for group in deadletters.groups(client.db)}
        of_first = deadletters.groups(client.db, 1)

    assert found["builtins.ValueError"].number == 3
    assert found["builtins.ValueError"].runs == (1, 2)
    assert found["builtins.OSError"].number == 2
    assert sorted(group.number for group in of_first) == [2, 2]
    assert found["builtins.ValueError"].id in {group.id for group in of_first}


def test_an_attempt_that_is_followed_by_another_is_not_parked(live: Live) -> None:
    @task(retry=Retry(1))
    def shaky(ledger: str) -> int:
        note(ledger, "shaky")
        if len(live_lines(ledger)) < 2:
            raise ValueError("not yet")
        return 1

    @pipeline
    def once(ledger: str):
        return shaky(ledger)

    result = live.run(once, "inline", ledger=live.ledger)

    assert result.state == "succeeded"
    assert parked(live) == []


def live_lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def test_an_owner_is_not_parked_for_its_parts_but_follows_their_repair(live: Live) -> None:
    result = live.run(looping, "inline", ledger=live.ledger)
    letters = parked(live)
    fix(live)

    repaired = repair(live, looping, {letter.node: [letter.item] for letter in letters}, ledger=live.ledger)

    assert result.state == "failed"
    assert len(letters) == 1
    assert letters[0].node == "loop/3/step"
    assert (repaired.state, repaired.output) == ("succeeded", 4)
    assert parked(live) == []


@task
def step(x: int, ledger: str) -> int:
    note(ledger, f"step {x}")
    if x == 2 and not Path(ledger + ".fixed").exists():
        raise ValueError("stuck")
    return x + 1


@pipeline
def looping(ledger: str):
    return loop(lambda x: step(x, ledger), 0, at_most=4)


# the fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no 3 rows in 'a b'", "no 17 rows in 'c'"),
        ("at 0x7f3a20", "at 0x1"),
        ("blob 9f86d081884c7d65 is gone", "blob 60303ae22b998861 is gone"),
        ("took 1.5 s", "took 12 s"),
        ('key "x"', 'key "longer"'),
        ("`month` = 3", "`year` = 2024"),
        ("first line 1\nrest", "first line 2\nanother rest"),
    ],
)
def test_what_differs_from_item_to_item_does_not_count(one: str, other: str) -> None:
    made = [fingerprint(Failure("exception", text, "builtins.ValueError", file="a/b.py", function="f"), "t")
            for text in (one, other)]  # fmt: skip

    assert made[0] == made[1]


@pytest.mark.parametrize(
    "other",
    [
        Failure("exception", "no rows", "builtins.KeyError", file="b.py", function="f"),
        Failure("exception", "no rows", "builtins.ValueError", file="c.py", function="f"),
        Failure("exception", "no rows", "builtins.ValueError", file="b.py", function="g"),
        Failure("exception", "no columns", "builtins.ValueError", file="b.py", function="f"),
        Failure("timeout", "no rows", "builtins.ValueError", file="b.py", function="f"),
    ],
)
def test_another_error_place_or_kind_is_another_group(other: Failure) -> None:
    first = Failure("exception", "no rows", "builtins.ValueError", file="b.py", function="f")

    assert fingerprint(first, "t") != fingerprint(other, "t")


def test_the_line_and_the_folder_do_not_count_and_the_task_only_where_no_place_is_known() -> None:
    first = Failure("exception", "no", "builtins.ValueError", file="a/b.py", line=3, function="f")
    moved = Failure("exception", "no", "builtins.ValueError", file="/home/me/b.py", line=9, function="f")
    lost = Failure("lost", "its worker died")

    assert fingerprint(first, "one") == fingerprint(moved, "other")
    assert fingerprint(lost, "one") != fingerprint(lost, "other")


def test_words_are_kept() -> None:
    assert normalised("deadbeef is not defaced, cafe 12345678ab") == "deadbeef is not defaced, cafe #"


# trying again


def test_only_what_is_chosen_is_tried_again_and_what_depends_on_it_follows(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)
    Path(live.ledger).unlink()
    fix(live)

    result = repair(live, strict, {"work": [3]}, ledger=live.ledger)

    assert result.state == "failed"
    assert live.done() == ["work 3", "then 30"]
    assert failed_items(parked(live)) == [("work", 4), ("work", 8), ("work", 9)]


def test_a_run_is_succeeded_when_nothing_that_failed_is_left(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)
    fix(live)
    first = repair(live, strict, {"work": [3, 8]}, ledger=live.ledger)
    fix(live, ".opened")

    second = repair(live, strict, {"work": [4, 9]}, ledger=live.ledger)

    assert (first.state, second.state) == ("failed", "succeeded")
    assert second.output == sum(x * 10 + 1 for x in range(10))
    assert live.done().count("total") == 1
    assert parked(live) == []


def test_what_fails_again_is_parked_again_with_all_its_attempts(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)

    result = repair(live, strict, {"work": [3]}, ledger=live.ledger)

    assert result.state == "failed"
    assert {(letter.item, letter.attempts) for letter in parked(live)} == {(3, 2), (4, 1), (8, 1), (9, 1)}


def test_a_run_that_succeeded_in_spite_of_failures_is_repaired(live: Live) -> None:
    before = live.run(tolerant, "inline", ledger=live.ledger)
    fix(live)
    watch = Watch()

    after = repair(live, tolerant, {"work": [3, 8]}, watch, ledger=live.ledger)

    assert (before.state, after.state) == ("succeeded", "succeeded")
    assert {event.item for event in watch.of(ev.Succeeded) if event.node == "work"} == {3, 8}
    assert {event.item for event in watch.of(ev.Succeeded) if event.node == "counted"} == {3, 8}
    assert (before.output, after.output) == (6, 8)
    assert after["work"] == [0, 10, 20, 30, None, 50, 60, 70, 80, None]
    assert failed_items(parked(live)) == [("work", 4), ("work", 9)]


def test_a_task_that_is_not_mapped_is_left_alone_unless_it_is_chosen(live: Live) -> None:
    live.run(two, "inline", ledger=live.ledger)
    Path(live.ledger).unlink()

    repair(live, two, {"work:1": [0]}, ledger=live.ledger)

    assert live.done() == ["work 3"]
    assert failed_items(parked(live)) == [("work:1", 0), ("work:2", 0)]


@pipeline
def two(ledger: str):
    return [work(3, ledger), work(4, ledger)]


def test_a_map_of_which_everything_failed_is_tried_item_by_item(live: Live) -> None:
    @pipeline
    def none(ledger: str):
        return work(each([3, 8, 13]), ledger)

    live.run(none, "inline", ledger=live.ledger)
    Path(live.ledger).unlink()
    fix(live)

    result = repair(live, none, {"work": [1]}, ledger=live.ledger)

    assert live.done() == ["work 8"]
    assert result.state == "failed"
    assert failed_items(parked(live)) == [("work", 0), ("work", 2)]


def test_a_plain_resume_tries_everything_again(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)
    fix(live)
    fix(live, ".opened")

    result = live.resume(strict, "inline", ledger=live.ledger)

    assert result.state == "succeeded"
    assert parked(live) == []


def test_a_run_that_succeeded_is_not_continued_without_saying_what_for(live: Live) -> None:
    live.run(tolerant, "inline", ledger=live.ledger)

    with pytest.raises(UsageError, match="has succeeded") as caught:
        live.resume(tolerant, "inline", ledger=live.ledger)

    assert caught.value.help[0].startswith("ropewalk dlq retry 1")


def test_what_is_skipped_now_is_parked_no_more(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger, n=5)

    live.resume(shorter, "inline", ledger=live.ledger, n=5)

    assert failed_items(parked(live)) == [("work", 3)]


@pipeline(name="strict")
def shorter(ledger: str, n: int = 10):
    return total(then(each(work(each(numbers(4)), ledger)), ledger), ledger)


def test_dropped_letters_are_forgotten_and_failures_stay(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)

    with live.client() as client:
        deadletters.drop(client.db, deadletters.listing(client.db)[:2])

    assert failed_items(parked(live)) == [("work", 8), ("work", 9)]
    assert [row.state for row in live.rows(1, "work")].count("failed") == 4


def test_the_check_of_what_is_parked_notices_what_is_not_and_what_should_not_be(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)
    with live.client() as client:
        first, *_ = deadletters.listing(client.db)
        assert parked_problems(client.db, 1) == []
        deadletters.drop(client.db, [first])
        row = (1, "work", 0, "group", "", "{}", 1, json.dumps(first.failure.to_json()), 0.0)
        with client.db.transaction():
            client.db.many("dead_letter_put", [row])

        found = parked_problems(client.db, 1)

    assert found == ["work[3] of run 1 has failed and is not parked", "work[0] of run 1 is parked and has not failed"]


def test_letters_go_with_their_run(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)

    with live.client() as client:
        runs.delete(client.db, 1)

    assert parked(live) == []


# code that has changed


def changed_work():
    @task
    def work(x: int, ledger: str) -> int:
        note(ledger, f"repaired {x}")
        return x * 10

    @pipeline
    def strict(ledger: str, n: int = 10):
        return total(then(each(work(each(numbers(n)), ledger)), ledger), ledger)

    return strict


def test_changed_code_is_noticed_and_named(live: Live) -> None:
    old, new = strict.graph(ledger="x"), changed_work().graph(ledger="x")

    check_unchanged(1, old, strict.graph(ledger="x"))
    with pytest.raises(UsageError, match="`work` is not as in run 1") as caught:
        check_unchanged(1, old, new)

    assert "--with-new-code" in caught.value.help[0]


def test_with_new_code_what_has_succeeded_is_kept(live: Live) -> None:
    live.run(strict, "inline", ledger=live.ledger)
    Path(live.ledger).unlink()

    result = repair(live, changed_work(), {"work": [3, 4, 8, 9]}, ledger=live.ledger)

    assert result.state == "succeeded"
    assert live.done()[:1] == ["repaired 3"]
    assert sorted(line for line in live.done() if line.startswith(("repaired", "work"))) == [
        "repaired 3", "repaired 4", "repaired 8", "repaired 9",
    ]  # fmt: skip
    assert result.output == sum(x * 10 + 1 for x in range(10))
