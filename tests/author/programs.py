"""Random pipelines as source, each beside the plain Python that means the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

NUMBERS = st.integers(-5, 9)


@dataclass
class Program:
    """Statements of a pipeline and of its plain twin; `values` are variables that hold a number."""

    wired: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=lambda: ["p"])
    count: int = 0

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def both(self, line: str) -> None:
        self.wired.append(line)
        self.plain.append(line)

    def source(self, extra: dict[int, str] | None = None) -> str:
        """The file; `extra` lines go before the statements with these numbers."""
        lines = []
        for number, line in enumerate(self.wired):
            if extra and number in extra and not line.startswith(" ") and not line.startswith("with otherwise"):
                lines.append(extra[number])
            lines.append(line)
        return (
            "@task\ndef spare(a: int) -> int:\n    return a\n\n"
            "@pipeline\ndef flow(p: int = 3):\n" + _indented(lines) + "\n\ndef plain(p):\n" + _indented(self.plain)
        )


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


@st.composite
def programs(draw: DrawFn) -> Program:
    made = Program()
    made.both("v0 = one(p)")
    made.values.append("v0")
    for _ in range(draw(st.integers(1, 7))):
        draw(st.sampled_from([_call, _call, _pair, _branch, _mapped, _crossed, _loop, _anonymous]))(draw, made)
    made.both(f"return [{', '.join(v for v in made.values[-4:] if v != 'p')}]")
    return made


def _argument(draw: DrawFn, made: Program) -> str:
    return draw(st.sampled_from(made.values)) if draw(st.booleans()) else str(draw(NUMBERS))


def _call_text(draw: DrawFn, made: Program) -> str:
    task = draw(st.sampled_from(["one", "two"]))
    return f"{task}({_argument(draw, made)}, b={_argument(draw, made)})"


def _call(draw: DrawFn, made: Program) -> None:
    name = made.fresh()
    made.both(f"{name} = {_call_text(draw, made)}")
    made.values.append(name)


def _anonymous(draw: DrawFn, made: Program) -> None:
    name = made.fresh()
    made.both(f"{name} = one({_call_text(draw, made)}, {_argument(draw, made)})")
    made.values.append(name)


def _pair(draw: DrawFn, made: Program) -> None:
    low, high = made.fresh(), made.fresh()
    made.both(f"{low}, {high} = pair({_argument(draw, made)}, {_argument(draw, made)})")
    made.values += [low, high]


def _branch(draw: DrawFn, made: Program) -> None:
    held, first, second, result = (made.fresh() for _ in range(4))
    condition = f"{held} {draw(st.sampled_from(['>', '>=', '==', '<']))} {draw(NUMBERS)}"
    one, two = _call_text(draw, made), _call_text(draw, made)
    made.both(f"{held} = {_call_text(draw, made)}")
    made.wired += [
        f"with when({condition}):", f"    {first} = {one}", "with otherwise():", f"    {second} = {two}",
        f"{result} = first_of({first}, {second})",
    ]  # fmt: skip
    made.plain += [f"{result} = {one} if {condition} else {two}"]
    made.values += [held, result]


def _mapped(draw: DrawFn, made: Program) -> None:
    first, second, result = (made.fresh() for _ in range(3))
    items = draw(st.lists(NUMBERS, max_size=3))
    other = _argument(draw, made)
    made.wired += [f"{first} = one(each({items}), {other})", f"{second} = two(each({first}), b=each({items}))"]
    made.plain += [
        f"{first} = [one(x, {other}) for x in {items}]",
        f"{second} = [two(x, y) for x, y in zip({first}, {items})]",
    ]
    made.both(f"{result} = total({second})")
    made.values.append(result)


def _crossed(draw: DrawFn, made: Program) -> None:
    found, result = made.fresh(), made.fresh()
    a, b = draw(st.lists(NUMBERS, max_size=3)), draw(st.lists(NUMBERS, max_size=2))
    made.wired.append(f"{found} = one(**cross(a={a}, b={b}))")
    made.plain.append(f"{found} = [one(x, y) for x in {a} for y in {b}]")
    made.both(f"{result} = total({found})")
    made.values.append(result)


def _loop(draw: DrawFn, made: Program) -> None:
    name = made.fresh()
    made.both(f"{name} = {_argument(draw, made)}")
    made.both(f"for n in range({draw(st.integers(1, 3))}): {name} = two({name}, n)")
    made.values.append(name)
