"""What reading a definition yields: its normal text and the names that it reads."""

from __future__ import annotations

from dataclasses import dataclass

from ropewalk.author.nodes import Chain


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import statement inside a function takes."""

    module: str
    level: int = 0  # number of leading dots
    attribute: str = ""  # empty for `import module`


@dataclass(frozen=True, slots=True)
class Load:
    """A name that code reads and does not define itself."""

    chain: Chain
    imported: Imported | None = None  # where the first name comes from, if not from the surroundings


@dataclass(frozen=True, slots=True)
class Piece:
    """Some syntax: its normal text and what it reads, in order of appearance."""

    text: str = ""
    loads: tuple[Load, ...] = ()


@dataclass(frozen=True, slots=True)
class Decorator:
    piece: Piece
    callee: Chain  # empty when it is not a plain name


@dataclass(frozen=True, slots=True)
class Reading:
    """A definition taken apart, because not all of it counts everywhere."""

    body: Piece
    decorators: tuple[Decorator, ...] = ()
    parameters: Piece = Piece()  # annotations of the parameters
    returns: Piece = Piece()  # annotation of the result
