"""Pictures: a matplotlib figure is kept as what it looks like, and comes back as an Image."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ropewalk.artifacts.disk import readable_size
from ropewalk.artifacts.format import Format, Sink, Source, is_a

_PEEK_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Image:
    """A picture as PNG bytes; notebooks show it."""

    data: bytes

    def _repr_png_(self) -> bytes:
        return self.data

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return int.from_bytes(self.data[16:20], "big"), int.from_bytes(self.data[20:24], "big")

    def save(self, path: Path | str) -> None:
        """Write the picture to a file."""
        Path(path).write_bytes(self.data)


def _matches(value: Any) -> bool:
    return type(value) is Image or is_a(value, "matplotlib.Figure")


def _write(value: Any, sink: Sink) -> None:
    sink.write(_png_of(value))


def _png_of(value: Any) -> bytes:
    if isinstance(value, Image):
        return value.data
    import io

    page = io.BytesIO()
    value.savefig(page, format="png", metadata={"Software": None})  # else the version of matplotlib is in the bytes
    return page.getvalue()


def _read(source: Source, type_name: str) -> Image:
    return Image(bytes(source.data))


def _preview(value: Any) -> str:
    if isinstance(value, Image):
        return "picture {} × {}".format(*value.size)
    width, height = value.get_size_inches() * value.dpi
    return f"picture {width:.0f} × {height:.0f}"


def _peek(source: Source, rows: int) -> dict[str, Any]:
    image = Image(bytes(source.data))
    shown: dict[str, Any] = {"kind": "picture", "media_type": "image/png", "size": list(image.size)}
    if len(image.data) <= _PEEK_BYTES:
        return shown | {"base64": b64encode(image.data).decode()}
    return shown | {"left_out": readable_size(len(image.data))}


IMAGE = Format("image", _matches, _write, _read, _preview, _peek)
