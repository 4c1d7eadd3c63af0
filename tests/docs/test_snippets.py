"""Every snippet on every page does what the page says. The conventions are in snippets.py beside this file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import name, pages
from tests.docs.snippets import SnippetError, missing_line, run_page


@pytest.mark.parametrize("page", pages(), ids=name)
def test_the_snippets_of_a_page_run(page: Path, tmp_path: Path) -> None:
    run_page(page.read_text(encoding="utf-8"), tmp_path)


def test_snippets_of_one_page_share_a_folder(tmp_path: Path) -> None:
    page = """
```python file=words.py
GREETING = "good morning"
```

```python
import words
assert words.GREETING
```

- in a list

  ```console
  $ python -c 'import words; print(words.GREETING); print(3 * 14)'
  good …
  42
  $ exit 0
  ```

```bash
test -e words.py
```

```toml
not = run
```
"""

    assert run_page(page, tmp_path) == 5


@pytest.mark.parametrize(
    ("snippet", "problem"),
    [
        ("```python\nraise SystemExit(3)\n```", "ended with 3, not 0"),
        ("```python part\ndef f(:\n```", "does not parse"),
        ("```console\n$ false\n```", "ended with 1, not 0"),
        ("```console exit=2\n$ exit 1\n```", "ended with 1, not 2"),
        ("```console exit=2\n$ exit 2\n$ exit 0\n```", "ended with 2, not 0"),
        ("```console\n$ echo one\ntwo\n```", "does not print `two`"),
        ("```console\n$ printf 'b\\na\\n'\na\nb\n```", "does not print `b`"),
        ("```console\nfalse\n```", "begins with `$ `"),
        ("```bash\nfalse\ntrue\n```", "ended with 1"),
    ],
)
def test_a_snippet_that_does_something_else_is_found(snippet: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(SnippetError, match="snippet at line 2") as caught:
        run_page(f"\n{snippet}\n", tmp_path)

    assert problem in str(caught.value)


def test_a_fragment_is_only_shown(tmp_path: Path) -> None:
    assert run_page("```console part\n$ false\n```\n```python part\nundefined_name\n```\n", tmp_path) == 0


def test_an_ellipsis_stands_for_anything_within_its_line_and_alone_for_any_lines() -> None:
    printed = "run 12 in 3.4s\nmiddle\nend\n"

    assert missing_line(("run … in …s", "…", "end"), printed) is None
    assert missing_line(("run … on …s",), printed) == "run … on …s"


def test_a_block_without_an_end_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 1 has no end"):
        run_page("```python\nx = 1\n", tmp_path)
