"""A small project with one task, `flow:train`, that uses about every way in which Python code reaches other code."""

FLOW = '''"""Flights."""
import math
import string
import sys

import fakelib
import helpers
import helpers as tools
import otherlib
import pkg.sub.deep
from config import *
from config import LIMIT, Colour, Settings, Split
from deco import REGISTRY, counted, register, shout
from pkg import exported
from ropewalk.author.task import task

SCALER = helpers.make_scaler(2)
HANDLERS = {"up": helpers.upper, "down": helpers.lower}
half = helpers.partial(helpers.divide, by=2)
square = lambda x: x * x; cube = lambda x: x * x * x
Vector = list[float]
MODEL = helpers.Model(depth=3)


def unrelated(x):
    return x + 1


@register("first")
def first(x):
    return x + 10


@counted
def noisy(x):
    return x + 20


def local_imports(x):
    from lazy import late

    return late(x)


def either(x):
    if x > 1000:
        import rare

        return rare.answer(x)
    return x


def queried(frame):
    return frame.query("x > @BORDER")


BORDER = 5


class Frame:
    def query(self, text):
        return sys._getframe(1).f_globals[text.rpartition("@")[2]]  # as pandas does


@task(retry=2)
def train(x: int = 3, *, power: float = 2.0) -> Split:
    """Trains."""
    # the parts that count
    inner_offset = 7

    def nested(y):
        """Nested."""
        return y - inner_offset

    values = [helpers.scale(v) for v in range(x) if v != 1]
    label = f"trained on {x!r} rows"
    texts = ("a" + "b", 10, 0.5, label)
    flags = (x == 3, x is None, x > 2 and x < 9)
    numbers = dict(
        power=x**power, limit=LIMIT, star=STAR, squares=square(x), scaled=SCALER(x), half=half(x),
        handler=HANDLERS["up"]("word"), deep=pkg.sub.deep.dig(x), exported=exported(x), cached=helpers.cached(x),
        tool=tools.clean(" a1 "), loud=shout("hey"), noisy=noisy(x), late=local_imports(x), either=either(x),
        colour=Colour.RED.value, settings=Settings().rounds, registry=REGISTRY["first"](x), root=math.sqrt(x),
        model=MODEL.predict(x), kinds=helpers.Model.kinds(), fake=fakelib.twice(x), query=queried(Frame()),
        weights=helpers.WEIGHTS["b"], table=helpers.lookup("a"), prepared=prepare(x),
    )
    return Split(nested(sum(values)), repr((texts, flags, sorted(numbers.items()))))


@task
def prepare(x):
    return x * 100
'''

HELPERS = '''"""Helpers."""
import re
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from threading import Lock
from typing import Any

FACTOR = 3
PATTERN = re.compile(r"[0-9]+")
WEIGHTS = {"a": 1, "b": [1, 2]}
UNUSED = 1
LOCK = Lock()


def scale(value: int, offset: int = 0) -> int:
    """Scales.

    Slowly.
    """
    result: int = value * FACTOR  # by the factor
    return shift(result) + offset


def shift(value):
    return value + 1


def clean(text):
    with LOCK:
        return PATTERN.sub("", text).strip()


def make_scaler(by):
    def scaler(value):
        return value * by

    return scaler


def upper(text):
    return text.upper()


def lower(text):
    return text.lower()


def divide(value, by):
    return value / by


@lru_cache(maxsize=8)
def cached(value):
    return value + 0.5


def lookup(name, default=None):
    return TABLE.get(name, default)


TABLE = {"a": ("x", 1), "b": ("y", 2)}


class Base:
    offset = 4

    def shifted(self, value):
        return value + self.offset


@dataclass
class Model(Base):
    """A model."""

    depth: int = 2
    name: str = "m"

    @property
    def strength(self):
        return self.depth * 2

    @staticmethod
    def rounded(value):
        return round(value, 3)

    @classmethod
    def kinds(cls):
        return ["a", "b"]

    def predict(self, value):
        return self.rounded(self.shifted(value) * self.strength)
'''

CONFIG = """from enum import Enum
from typing import NamedTuple

LIMIT = 1
STAR = "*"
NOT_USED = 0


class Colour(Enum):
    RED = 1
    BLUE = 2


class Settings:
    rounds = 10
    seed = 0


class Split(NamedTuple):
    total: float
    text: str
"""

DECO = """import functools

REGISTRY = {}
PREFIX = "!"


def register(name):
    def keep(function):
        REGISTRY[name] = function
        return function

    return keep


def counted(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) + 0

    return wrapper


def shout(text):
    return PREFIX + text
"""

FILES = {
    "flow.py": FLOW,
    "helpers.py": HELPERS,
    "config.py": CONFIG,
    "deco.py": DECO,
    "lazy.py": "def late(x):\n    return x + 30\n",
    "rare.py": "def answer(x):\n    return 42\n",
    "unrelated.py": "def nothing():\n    return 1\n",
    "pkg/__init__.py": "from .impl import exported, hidden\n",
    "pkg/impl.py": "from .sub.constants import BONUS\n\n\ndef exported(x):\n    return x + BONUS\n\n\n"
    "def hidden():\n    return 1\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/constants.py": "BONUS = 8\nOTHER = 9\n",
    "pkg/sub/deep.py": "from . import constants\n\n\ndef dig(x):\n    return x - constants.BONUS\n",
    "venv/site-packages/fakelib/__init__.py": "def twice(x):\n    return 2 * x\n",
    "venv/site-packages/fakelib-1.0.dist-info/RECORD": "fakelib/__init__.py,,\n",
    "venv/site-packages/otherlib.py": "",
    "venv/site-packages/other_lib-2.0.dist-info/RECORD": "otherlib.py,,\n",
}
