"""What `run` and its kin are given beyond their own options: the target, and parameters written as options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ropewalk.core.errors import UsageError, did_you_mean

_NUMBER = re.compile(r"-\.?\d")


@dataclass(frozen=True, slots=True)
class Wish:
    """A pipeline, and texts for its parameters, in the order in which they were given.

    Attributes:
        options: those that were written as options, `--month 7`: a mistyped option of the command may be among them.
    """

    target: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reader:
    words: list[str]
    at: int = 0
    target: str = ""
    pairs: list[tuple[str, str]] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def next(self) -> str:
        word = self.words[self.at]
        self.at += 1
        return word

    def value(self) -> str | None:
        """The word after an option, if it is a value and not another option."""
        if self.at < len(self.words) and (not self.words[self.at].startswith("-") or _is_value(self.words[self.at])):
            return self.next()
        return None


def read(words: Sequence[str], parameters: Iterable[str]) -> Wish:
    """The wish that a command line expresses.

    Args:
        words: what is left of the command line without the command's own options.
        parameters: what was given with `-p`, `name=value` each.

    Raises:
        UsageError: something that is neither a target nor a parameter.
    """
    reader = _Reader(list(words))
    while reader.at < len(reader.words):
        word = reader.next()
        if word.startswith("--") and len(word) > 2:
            _option(reader, word)
        elif word.startswith("-") and len(word) > 1:
            raise UsageError(f"there is no option `{word[:80]}`", help=["a parameter is given as -p name=value"])
        elif reader.target:
            raise UsageError(
                f"one pipeline at a time: `{reader.target[:80]}` is given, and `{word[:80]}` as well",
                help=["a parameter is given as -p name=value or --name value"],
            )
        else:
            reader.target = word
    pairs = [*(_pair(text) for text in parameters), *reader.pairs]
    return Wish(reader.target, tuple(pairs), tuple(reader.options))


def _option(reader: _Reader, word: str) -> None:
    name, equals, text = word[2:].partition("=")
    value: str | None = text if equals else reader.value()
    if value is None:
        value, name = ("false", name[3:]) if name.startswith("no-") else ("true", name)
    name = name.replace("-", "_")
    reader.pairs.append((name, value))
    reader.options.append(name)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(
            f"`-p {text[:80]}` is not of the form name=value",
            help=[f"-p {name.strip() or 'name'}=value"],
        )
    return name.strip(), value


def _is_value(word: str) -> bool:
    """Whether a word that begins with a dash is a negative number, or the dash alone."""
    return word == "-" or bool(_NUMBER.match(word))


def suggest_option(wish: Wish, unknown: Iterable[str], known: Iterable[str]) -> str | None:
    """The option of the command that a parameter that does not exist was perhaps meant to be."""
    names = {option.removeprefix("--").replace("-", "_"): option for option in known if option.startswith("--")}
    for name in unknown:
        if name in wish.options and (guess := did_you_mean(name, names)):
            return names[guess]
    return None
