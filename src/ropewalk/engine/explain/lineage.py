"""Where an artifact comes from, down to the sources, and what was made from it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from ropewalk.core.artifact import ArtifactRef
from ropewalk.core.errors import NotFoundError, UsageError
from ropewalk.engine.client import Client
from ropewalk.engine.explain.ancestry import Ancestry, Step
from ropewalk.engine.explain.progeny import ModelUse, Progeny, Use
from ropewalk.engine.explain.recorded import Recorded
from ropewalk.store import history, records, runs, tasks
from ropewalk.store.history import Holder
from ropewalk.store.records import Record

MODEL = "model"  # kind of the records that models are
MAX_MAKERS = 10  # a small value such as 1 may be the result of thousands of task runs

_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_WITHIN = re.compile(r"(?:\[(?P<index>\d+)\]|/(?P<item>\d+))?(?:\.(?P<output>.+))?")  # after the name of a node


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an artifact comes from, and what became of it.

    Attributes:
        what: what was asked for.
        digest: of the artifact; of a task with several outputs, of its first.
        type, size_bytes, preview: what is known of it without opening it.
        made_by: ids of the steps that computed it, oldest first: mostly one.
        steps: every task run behind it, each after those that it needs; together with `inputs` of each a graph.
        used_by: task runs that took it as an input, in whatever run.
        models: registered models that are this artifact, or were made from it.
    """

    what: str
    digest: str
    type: str
    size_bytes: int
    preview: str
    made_by: tuple[str, ...]
    steps: tuple[Step, ...]
    used_by: tuple[Use, ...]
    models: tuple[ModelUse, ...]

    def __getitem__(self, step: str) -> Step:
        return next(found for found in self.steps if found.id == step)

    @property
    def sources(self) -> tuple[Step, ...]:
        """The steps at the beginning: those without a result of another step as an input."""
        return tuple(step for step in self.steps if not any(i.steps for i in step.inputs))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def lineage(client: Client, text: str) -> Lineage:
    """Where an artifact comes from, and what was made from it.

    Args:
        text: the first characters of a digest, at least 6; or "RUN/TASK", "RUN/TASK.output", "RUN/TASK[item]"; or
            "model:name@alias", "model:name@version".

    Raises:
        UsageError: the text is none of these, or several digests begin with it.
        NotFoundError: there is no such artifact, task run or model.
    """
    if text.startswith(f"{MODEL}:"):
        return _of_model(client, text)
    if _DIGEST.fullmatch(text):
        found = _by_digest(client, text)
        return _lineage(client, text, found, found)
    run, _, rest = text.partition("/")
    if run and rest:
        holder = _by_task(Recorded(client, runs.find(client.db, run)), rest)
        return _lineage(client, text, [holder], history.holders(client.db, holder.digest))
    raise UsageError(
        f"`{text[:80]}` names no artifact",
        facts=["an artifact is named by its digest, by a task of a run, or by a model"],
        help=["ropewalk lineage 3/train.model", "ropewalk lineage model:NAME@champion"],
    )


def _by_digest(client: Client, prefix: str) -> list[Holder]:
    found = history.holders(client.db, prefix)
    digests = sorted({holder.digest for holder in found})
    if not digests:
        raise NotFoundError(f"no artifact has a digest that begins with `{prefix}`")
    if len(digests) > 1:
        shown = [digest[:16] for digest in digests[:5]]
        raise UsageError(f"{len(digests)} artifacts have a digest that begins with `{prefix}`", facts=shown)
    return found


def _by_task(recorded: Recorded, rest: str) -> Holder:
    """The artifact of a task run that "TASK", "TASK.output", "TASK[item]" or "TASK[item].output" names."""
    node_id, item, output = _parse(recorded, rest)
    row = recorded.row(node_id, item)
    label = f"{recorded.run.number}/{rest}"
    if row is None or not row.outputs:
        raise NotFoundError(f"`{label}` has no result", help=[f"ropewalk why {recorded.run.number}/{node_id}"])
    name = output or next(iter(row.outputs))
    if name not in row.outputs:
        raise NotFoundError(f"`{label}`: there is no such output", facts=[", ".join(row.outputs)])
    return Holder(row.outputs[name].digest, recorded.run.number, node_id, item, name, row.source)


def _parse(recorded: Recorded, rest: str) -> tuple[str, int, str]:
    for end in range(len(rest), 0, -1):
        match = _WITHIN.fullmatch(rest, end) if rest[:end] in recorded.graph.nodes else None
        if match is not None:
            return rest[:end], int(match["index"] or match["item"] or 0), match["output"] or ""
    recorded.node(re.split(r"[\[.]", rest, maxsplit=1)[0])
    raise NotFoundError(
        f"`{recorded.run.number}/{rest[:80]}` names no result", help=[f"ropewalk show {recorded.run.number}"]
    )


def _of_model(client: Client, text: str) -> Lineage:
    record = _find_model(client, text)
    digest = digest_of(record)
    holders = history.holders(client.db, digest) if digest else []
    ancestry = Ancestry(client)
    if holders:
        made_by = _makers(ancestry, [h for h in holders if h.run == record.run] or holders)
    elif record.run is not None and record.node:
        made_by = [ancestry.trace(record.run, record.node, 0)]
    else:
        made_by = []
    progeny = Progeny(client, holders, [digest])
    ref = _stored(record)
    return Lineage(
        text, digest, ref.type if ref else "", ref.size_bytes if ref else 0, ref.preview if ref else "",
        tuple(made_by), ancestry.steps(), progeny.uses(), progeny.models(),
    )  # fmt: skip


def _find_model(client: Client, text: str) -> Record:
    name, _, which = text.removeprefix(f"{MODEL}:").partition("@")
    versions = {record.version: record for record in records.listing(client.db, MODEL, name)}
    if not which and versions:
        return versions[max(versions)]
    if not which.isdigit():
        moves = records.aliases(client.db, MODEL, name)
        which = next((str(move.version) for move in moves if move.alias == which), which)
    if not which.isdigit() or int(which) not in versions:
        raise NotFoundError(f"there is no `{text}`", code="P603", help=["ropewalk models"])
    return versions[int(which)]


def digest_of(record: Record) -> str:
    """The digest of the model that a record registers."""
    ref = _stored(record)
    return ref.digest if ref else str(record.body.get("digest", ""))


def _stored(record: Record) -> ArtifactRef | None:
    return ArtifactRef.from_json(record.body["artifact"]) if "artifact" in record.body else None


def _lineage(client: Client, text: str, roots: list[Holder], holders: list[Holder]) -> Lineage:
    ancestry = Ancestry(client)
    made_by = _makers(ancestry, roots)
    first = roots[0]
    row = tasks.get(client.db, first.run, first.node, first.item)
    ref = row.outputs.get(first.output) if row else None
    progeny = Progeny(client, holders, [first.digest])
    return Lineage(
        text, first.digest, ref.type if ref else "", ref.size_bytes if ref else 0, ref.preview if ref else "",
        tuple(made_by), ancestry.steps(), progeny.uses(), progeny.models(),
    )  # fmt: skip


def _makers(ancestry: Ancestry, holders: list[Holder]) -> list[str]:
    """The steps that computed what these task runs hold."""
    computed = [holder for holder in holders if holder.source is None] or holders
    return list(dict.fromkeys(ancestry.trace(h.run, h.node, h.item) for h in computed[:MAX_MAKERS]))
