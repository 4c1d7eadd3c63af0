"""`plan`, `why`, `diff`, `lineage`: what the engine explains, laid out for people."""

from __future__ import annotations

from collections.abc import Iterator

from ropewalk.cli.arguments import read
from ropewalk.cli.complete import complete_run
from ropewalk.cli.console import Terminal, fit, table
from ropewalk.cli.declare import argument, command
from ropewalk.cli.numbers import show_change, show_metric, show_took
from ropewalk.cli.places import existing_store, find_place, find_run
from ropewalk.cli.session import Session
from ropewalk.cli.target import forced, make_work
from ropewalk.cli.wishes import LEFTOVERS, takes_options, takes_pipeline
from ropewalk.core.errors import UsageError
from ropewalk.core.quantity import show_duration, show_size
from ropewalk.engine.client import Options
from ropewalk.engine.explain.ancestry import Step
from ropewalk.engine.explain.compare import Difference, MetricChange, NodeDifference
from ropewalk.engine.explain.lineage import Lineage
from ropewalk.engine.explain.why import Explanation
from ropewalk.plan.plan import Plan, PlanRow

_MARKS = {
    "run": ("▸", "green"),
    "fail": ("✗", "red"),
    "maybe": ("?", "yellow"),
    "reuse": ("=", "cyan"),
    "skip": ("-", "dim"),
}
_MOST_USES = 20
_MOST_METRICS = 40
_MOST_INSIDE = 5  # nodes inside of another one whose results differ


@command(
    examples=["ropewalk plan", "ropewalk plan pipeline.py:train -p train.c=0.1 --json"],
    context_settings=dict(LEFTOVERS),
)
@takes_pipeline
@takes_options
def plan(
    session: Session,
    words: tuple[str, ...],
    params: tuple[str, ...],
    executor: str,
    workers: int | None,
    seed: int,
    no_cache: bool,
    force: tuple[str, ...],
) -> None:
    """Say for every task whether a run would execute or reuse it, why, and how long it should take.

    Nothing is run and nothing is recorded. What is said to run will run; what may run depends on what the tasks
    before it return.
    """
    from ropewalk.engine.explain.planning import make_plan

    work = forced(make_work(session, read(words, params)), force)
    made = make_plan(session.client, work, Options(executor, workers, seed, reuse=not no_cache))
    if session.as_json:
        session.emit(made.to_json())
        return
    for line in _plan_lines(made, session.out):
        session.out.write(line)


def _plan_lines(plan: Plan, out: Terminal) -> Iterator[str]:
    name, _, rest = plan.title.partition(" ")
    yield f"{out.paint(name, 'bold')} {rest}"
    rows = table(
        [_plan_row(row, out) for row in plan.rows], width=None if out.width is None else out.width - 2, right=(3,)
    )
    yield from (f"  {line}" for line in rows)
    yield plan.summary
    if plan.order_note:
        yield f"  order: {plan.order_note}"
    if len(plan.critical_path) > 1:
        yield fit(f"  longest chain: {' → '.join(plan.critical_path)}", out.width or 10_000)


def _plan_row(row: PlanRow, out: Terminal) -> tuple[str, ...]:
    mark, style = _MARKS[row.action]
    about = "" if row.estimate_s is None else show_duration(row.estimate_s)
    return (f"{out.paint(mark, style)} {row.node}", row.label, row.note, about)


@command(examples=["ropewalk why 3/train", "ropewalk why last/report --json"])
@argument("task", metavar="RUN/TASK[/ITEM]", shell_complete=complete_run)
def why(session: Session, task: str) -> None:
    """Say why a task of a run was executed, reused, skipped or failed, or what it waits for."""
    existing_store(session)
    place = find_place(session.client, task)
    if place.node is None:
        raise UsageError(
            f"`{task[:80]}` is a run: name a task of it", help=[f"ropewalk why {place}/{next(iter(place.graph.nodes))}"]
        )
    from ropewalk.engine.explain.why import why as explain

    found = explain(session.client, place.run, place.node, place.item or 0)
    if session.as_json:
        session.emit(found.to_json())
        return
    for line in _why_lines(found, session.out):
        session.out.write(line)


def _why_lines(found: Explanation, out: Terminal) -> Iterator[str]:
    yield out.paint(found.title, "bold")
    parts = [(part.kind, part.text, part.verdict) for part in found.parts]
    room = None if out.width is None else out.width - 2
    yield from (f"  {line}" for line in table(parts, width=room, gap=3))
    yield from (f"  {out.paint('=', 'cyan')} {fact}" for fact in found.facts)
    if found.outside:
        yield f"not part of the key: {', '.join(found.outside)}"
    for index, text in enumerate(found.help):
        yield f"  {out.paint('help:', 'green')} {text}" if index == 0 else f"        {text}"


@command(examples=["ropewalk diff 1 2", "ropewalk diff 3 last --json"])
@argument("before", shell_complete=complete_run)
@argument("after", shell_complete=complete_run)
def diff(session: Session, before: str, after: str) -> None:
    """Compare two runs: parameters, code, packages, data, results and metrics, and where they first differ."""
    existing_store(session)
    from ropewalk.engine.explain.compare import diff as compare

    client = session.client
    found = compare(client, find_run(client, before), find_run(client, after))
    if session.as_json:
        session.emit(found.to_json())
        return
    for line in _diff_lines(found, session.out):
        session.out.write(line)


def _diff_lines(found: Difference, out: Terminal) -> Iterator[str]:
    yield out.paint(f"run {found.before} → run {found.after}", "bold")
    code = [f"{task}: {line}" for task, lines in found.code.items() for line in lines]
    sections = (
        ("parameters", [str(change) for change in found.params]),
        ("code", code),
        ("packages", list(found.packages)),
        ("graph", list(found.graph)),
        ("about", [str(change) for change in found.about]),
        ("metrics", _metric_lines(found)),
        ("results", _node_lines(found, out)),
    )
    for title, lines in sections:
        if lines:
            yield f"  {title}"
            yield from (f"    {line}" for line in lines)
    if found.first:
        yield f"first difference: {found.first}"
    else:
        yield "no result differs"
    if found.before_s is not None and found.after_s is not None:
        yield f"took {show_took(found.before_s)} → {show_took(found.after_s)}"


def _metric_lines(found: Difference) -> list[str]:
    shown = [metric for metric in found.metrics if "@" not in metric.name]
    if len(shown) > _MOST_METRICS:
        shown = [metric for metric in shown if metric.before != metric.after]
    lines = table([_metric_row(metric) for metric in shown[:_MOST_METRICS]], right=(1, 3))
    return [*lines, *([f"… and {len(shown) - _MOST_METRICS:,} more"] if len(shown) > _MOST_METRICS else [])]


def _node_lines(found: Difference, out: Terminal) -> list[str]:
    """A line for each node; of those inside of others only for the first that differ."""
    rows, hidden = [], 0
    inner: dict[str, list[NodeDifference]] = {}
    for node in found.nodes:
        if node.owner:
            inner.setdefault(node.owner.partition("/")[0], []).append(node)
            continue
        rows.append(_node_row(node, out))
        differ = [n for n in inner.get(node.node, []) if n.outputs == "different" and not _grew(n, found)]
        rows += [_node_row(n, out) for n in differ[:_MOST_INSIDE]]
        hidden += len(differ[_MOST_INSIDE:])
    lines = table(rows, width=None if out.width is None else out.width - 4)
    return [*lines, *([f"… and {hidden:,} more inside of these"] if hidden else [])]


def _grew(node: NodeDifference, found: Difference) -> bool:
    """Whether others are inside of it."""
    return any(other.owner == node.node for other in found.nodes)


def _metric_row(metric: MetricChange) -> tuple[str, ...]:
    before, after = (("–" if v is None else show_metric(v)) for v in (metric.before, metric.after))
    change = show_change(metric.after, metric.before) if metric.before is not None and metric.after is not None else ""
    return (metric.name, before, "→", after, change)


def _node_row(node: NodeDifference, out: Terminal) -> tuple[str, ...]:
    mark = {"same": out.paint("=", "cyan"), "different": out.paint("✗", "red")}.get(node.outputs, " ")
    happened = node.before if node.before == node.after else f"{node.before} → {node.after}"
    more = node.differing_count - len(node.differing)
    names = ", ".join(name for name in node.differing if name != "result") + (f" and {more} more" if more else "")
    verdict = {"same": "same result", "different": f"different{': ' + names if names else ''}"}.get(node.outputs, "")
    return (mark, node.node, happened, verdict, "; ".join(node.reasons))


@command(examples=["ropewalk lineage 3/train", "ropewalk lineage model:late-arrivals@champion"])
@argument("artifact", metavar="DIGEST|RUN/TASK[.OUTPUT]|model:NAME@ALIAS", shell_complete=complete_run)
def lineage(session: Session, artifact: str) -> None:
    """Say which tasks, code, parameters and data an artifact was made from, and what was made from it."""
    existing_store(session)
    from ropewalk.engine.explain.lineage import lineage as trace_back

    found = trace_back(session.client, _with_number(session, artifact))
    if session.as_json:
        session.emit(found.to_json())
        return
    for line in _lineage_lines(found, session.out):
        session.out.write(line)


def _with_number(session: Session, text: str) -> str:
    """The text with the number of a run in place of its name or `last`."""
    run, slash, rest = text.partition("/")
    return f"{find_run(session.client, run).number}/{rest}" if slash and not text.startswith("model:") else text


def _lineage_lines(found: Lineage, out: Terminal) -> Iterator[str]:
    about = ", ".join(part for part in (found.type, show_size(found.size_bytes), found.preview) if part)
    yield f"{out.paint(found.digest[:12] or found.what, 'bold')}  {about}".rstrip()
    yield "  made by"
    yield from _tree(found, out)
    if found.used_by:
        yield "  used by"
        shown = [f"{use.run}/{use.node}" + (f"[{use.item}]" if use.item is not None else "") for use in found.used_by]
        labels = dict.fromkeys(
            f"{name} as `{use.input}` ({use.state})" for name, use in zip(shown, found.used_by, strict=True)
        )
        yield from (f"    {label}" for label in list(labels)[:_MOST_USES])
        if len(labels) > _MOST_USES:
            yield f"    … and {len(labels) - _MOST_USES:,} more"
    if found.models:
        yield "  models"
        yield from (f"    {model}" for model in found.models)


def _tree(found: Lineage, out: Terminal) -> Iterator[str]:
    """The steps as a tree from the artifact to its sources; a step that was shown is only named again."""
    steps = {step.id: step for step in found.steps}
    shown: set[str] = set()
    stack = [(name, 2) for name in reversed(found.made_by)]
    while stack:
        name, depth = stack.pop()
        step = steps[name]
        again = name in shown
        yield "  " * depth + (f"{name}  (above)" if again else _step_line(step, out))
        if not again:
            shown.add(name)
            needs = dict.fromkeys(need for given in step.inputs for need in given.steps)
            stack += [(need, depth + 1) for need in reversed(needs)]


def _step_line(step: Step, out: Terminal) -> str:
    facts = [f"{name}={value}" for name, value in step.params.items()]
    facts += [f"{step.items:,} items"] if step.items > 1 else []
    facts += [f"code {step.code[:8]}"]
    facts += [f"commit {step.commit[:8]}{'+' if step.dirty else ''}"] if step.commit else []
    return f"{step.id}  {out.paint(', '.join(facts), 'dim')}"
