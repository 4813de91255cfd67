"""Draws what `celeriac top` shows, as wide and as high as the terminal is; whatever others chose is text. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.terminal import line_of
from cli.top.outage import is_heard, parts_down
from cli.top.situation import Json, Situation, seconds_since
from cli.top.verdict import Headline, verdict_of
from domain.printable import printable
from domain.sentences import NONE, about, count, duration, per_minute, percent, plural

WIDE = 120
"""Columns from which on two sections stand side by side."""
GAP = 3
HEAD_LINES = 7
"""The sentence and the last line, which may take two lines each, and the figures."""
FIGURE_WIDTH = 12
"""Columns of a figure with its label and the gap after it."""
MOST_OTHERS = 3
"""How many of the other things that are wrong are named where the lines are bounded."""
MOST_ROWS = 50
NO_CHANGE = 0.02
"""A minute in which so small a share of what waits has come or gone changes nothing that is worth a word."""
LOOKS = {
    "ok": ("✓", "green"),
    "noted": ("•", "yellow"),
    "warning": ("▲", "yellow"),
    "critical": ("✕", "red"),
    "unknown": ("…", "dim"),
    "empty": ("✓", "green"),
}
NOT_HEARD = Text("not heard", style="dim")
"""The word where nobody can be heard: whether a worker is there is not known then."""
STATUS_STYLES = {"ACTIVE": "green", "PAUSED": "yellow", "DRAINING": "yellow", "OFFLINE": "red"}


@dataclass(frozen=True, slots=True)
class Size:
    """How much fits: columns, and lines where they are bounded."""

    width: int
    height: int | None = None


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    note: str
    rows: Sequence[Sequence[Text]] | None
    """The lines of the section; None is not told."""
    empty: str
    grows: int = 0
    """Which column takes the room that is left."""


def draw(it: Situation, size: Size, *, footer: str = "") -> Group:
    """Return the whole screen."""
    verdict = verdict_of(it)
    others = _others(verdict.others, most=None if size.height is None else MOST_OTHERS)
    parts: list[RenderableType] = [_sentence(verdict), *others, Text(), *_figures(it, size.width), Text()]
    room = None if size.height is None else size.height - HEAD_LINES - len(others)
    queues, workers, failing, running = _queues(it), _workers(it), _failing(it), _running(it)
    if size.width >= WIDE:
        half = (size.width - GAP) // 2
        both = Table.grid(padding=(0, GAP, 0, 0))
        both.add_column(width=half)
        both.add_column(width=half)
        both.add_row(_stack([queues, failing], room), _stack([workers, running], room))
        parts.append(both)
    else:
        parts.append(_stack([queues, workers, failing, running], room))
    return Group(*parts, Text(printable(footer), style="dim"))


def share_out(wanted: Sequence[int], room: int) -> list[int]:
    """Return how many lines each gets: one after another takes one more, until all have enough or none is left."""
    got = [0] * len(wanted)
    room = min(room, sum(wanted))
    for at in cycle(range(len(wanted))):
        if room <= 0:
            return got
        if got[at] < wanted[at]:
            got[at] += 1
            room -= 1
    return got


def _sentence(verdict: Headline) -> Text:
    mark, style = LOOKS[verdict.tone]
    return Text.assemble(
        (f"{mark} ", f"bold {style}"), (printable(verdict.text), "bold"), " ", (printable(verdict.rest), "dim")
    )


def _others(others: Sequence[str], *, most: int | None) -> list[Text]:
    """A line for each of the others; a last one for those that are left out."""
    lines = [f"  {printable(text)}" for text in others[:most]]
    if most is not None and len(others) > most:
        lines.append(f"  and {count(len(others) - most)} more")
    return [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]


def _figures(it: Situation, width: int) -> list[Table]:
    """The figures in one table, or in as many below each other as it takes to cut none."""
    stats = it.stats or {}
    active, every = stats.get("active_workers"), stats.get("total_workers")
    waiting, undispatched = stats.get("queue_depth"), stats.get("undispatched", 0)
    can_be_heard = is_heard(parts_down(it))
    workers = count(active) if every is None else f"{count(active)} of {count(every)}"
    figures = [
        (count(None if waiting is None else waiting - undispatched), "waiting", ""),
        (count(it.running_count), "running", ""),
        (per_minute(it.done_per_minute if can_be_heard else None), "completed", ""),
        (percent(it.failed_percent if can_be_heard else None), "failing", "red" if it.failed_percent else ""),
        (duration(it.mean_wait), "mean wait", ""),
        (workers if can_be_heard else NONE, "workers", ""),
    ]
    beside = next(fit for fit in (6, 3, 2, 1) if fit * FIGURE_WIDTH - GAP <= width or fit == 1)
    return [_table_of(figures[at : at + beside]) for at in range(0, len(figures), beside)]


def _table_of(figures: Sequence[tuple[str, str, str]]) -> Table:
    table = Table.grid(padding=(0, GAP, 0, 0), expand=False)
    for _ in figures:
        table.add_column(min_width=8, no_wrap=True)
    table.add_row(*(Text(figure, style=f"bold {style}") for figure, _, style in figures))
    table.add_row(*(Text(label, style="dim") for _, label, _ in figures))
    return table


def _stack(sections: Sequence[_Section], room: int | None) -> Group:
    """The sections below each other, a blank line after each, with as many rows as there is room for."""
    wanted = [max(1, min(len(section.rows or ()), MOST_ROWS)) for section in sections]
    given = wanted if room is None else share_out(wanted, max(len(sections), room - 2 * len(sections)))
    return Group(*(part for section, rows in zip(sections, given, strict=True) for part in _lines(section, rows)))


def _lines(section: _Section, rows: int) -> list[RenderableType]:
    shown = (section.rows or ())[:rows]
    hidden = len(section.rows or ()) - len(shown)
    note = f"{count(hidden)} more" if hidden > 0 else section.note
    title = Text.assemble((section.title, "bold underline"), "  ", (note, "dim"))
    if not shown:
        return [title, Text(section.empty if section.rows is not None else "Not told.", style="dim"), Text()]
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for at in range(len(shown[0])):
        is_grown = at == section.grows
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if is_grown else None)
    for row in shown:
        table.add_row(*row)
    return [title, table, Text()]


def _queues(it: Situation) -> _Section:
    rows = None
    if it.queues is not None:
        ordered = sorted(it.queues, key=lambda queue: (-_need(queue), queue["queue_name"]))
        rows = [_queue(queue, it) for queue in ordered]
    return _Section("Queues", "those in need first", rows, "No queue is known yet.")


def _need(queue: Json) -> float:
    """How much a queue needs a look: nobody takes from it, it grows, it waits."""
    waiting = queue["waiting"] or 0
    unserved = 1e12 if queue["active_consumers"] == 0 and waiting > 0 else 0
    grows = 1e9 if waiting > 0 and queue["in_per_minute"] > queue["out_per_minute"] else 0
    return float(unserved + grows + waiting + queue["due"])


def _queue(queue: Json, it: Situation) -> list[Text]:
    oldest, held = queue["oldest_waiting_at"], _held_in(queue, it)
    beside = f"+ {count(held)} held" if held else f"oldest {about(seconds_since(oldest, it.now))}" if oldest else ""
    return [line_of(queue["queue_name"]), _number(count(queue["waiting"])), Text(beside, style="dim"), _end(queue, it)]


def _held_in(queue: Json, it: Situation) -> int:
    """How much of what is due in it marks hold back."""
    due: int = queue["due"]
    if (queue.get("mark") or {}).get("strategy") == "queue_only":
        return due
    told = it.held or {"data": (), "marks": ()}
    # A breaker's mark ends by itself: what waits for the broker alone is due.
    holders = {mark["service_name"] for mark in told["marks"] if not mark["automatic"]}
    rows = [row for row in told["data"] if row["queue_name"] == queue["queue_name"]]
    held: int = sum(row["count"] for row in rows if holders.intersection(row["held_by"]))
    return min(due, held)


def _end(queue: Json, it: Situation) -> Text:
    """Say where it is going, or who takes from it: nothing is foretold of what is held back or not taken."""
    waiting, drift = queue["waiting"] or 0, it.drifts.get(queue["queue_name"])
    if not is_heard(parts_down(it)):
        return NOT_HEARD
    if queue["consumers"] == 0 and waiting > 0:
        return Text("nobody consumes it", style="yellow")
    if not waiting or not queue["active_consumers"] or drift is None or _held_in(queue, it):
        return _consumers(queue)
    if abs(drift) < max(1.0, waiting * NO_CHANGE) and queue["out_per_minute"]:
        return Text("holds its level", style="dim")
    if drift <= -1.0:
        return Text(f"empty in {about(60 * waiting / -drift)}", style="dim")
    return _consumers(queue)


def _consumers(queue: Json) -> Text:
    """How many take from it, and how many of the others are paused or draining."""
    active, every = queue["active_consumers"], queue["consumers"]
    if active == every:
        return Text(plural(every, "worker"), style="dim")
    if active > 0:
        return Text(f"{active:,} of {plural(every, 'worker')}", style="dim")
    return Text(f"{plural(every, 'worker')}, paused or draining", style="yellow")


def _workers(it: Situation) -> _Section:
    rows = None if it.workers is None else [_worker(worker, it) for worker in sorted(it.workers, key=_worker_order)]
    return _Section("Workers", "", rows, "No worker has been heard of.")


def _worker_order(worker: Json) -> tuple[bool, str]:
    return worker["status"] == "OFFLINE", worker["hostname"]


def _worker(worker: Json, it: Situation) -> list[Text]:
    status = worker["status"]
    is_unheard = status == "OFFLINE" and not is_heard(parts_down(it))
    drained = {each["hostname"] for each in it.fleet or () if each.get("drained_at")}
    word = "drained" if status == "OFFLINE" and worker["hostname"] in drained else status.lower()
    return [
        line_of(worker["hostname"]),
        NOT_HEARD
        if is_unheard
        else Text(printable(word), style="" if word == "drained" else STATUS_STYLES.get(status, "")),
        _number(f"{count(worker['running'])} of {count(worker['capacity'])}"),
        Text(NONE if status == "OFFLINE" else per_minute(worker["task_rate"]), style="dim", justify="right"),
    ]


def _failing(it: Situation) -> _Section:
    every = sum(group["count"] for group in it.failures or ())
    rows = None if it.failures is None else [_group(group, every) for group in it.failures]
    return _Section("Failing in this hour", "and the share of all failures", rows, "Nothing has failed in this hour.")


def _group(group: Json, every: int) -> list[Text]:
    """What failed alike: the error, in which tasks, how many, and the share of all failures."""
    return [
        line_of(f"{group['error']} in {group['task_name'] or 'tasks without a known name'}"),
        Text(count(group["count"]), style="red", justify="right"),
        Text(percent(100 * group["count"] / every), style="dim", justify="right"),
    ]


def _running(it: Situation) -> _Section:
    rows = None if it.running is None else [_task(task, it.now) for task in it.running]
    hidden = (it.running_count or 0) - len(it.running or ())
    note = f"the {len(it.running or ())} longest" if hidden > 0 else "the longest first"
    return _Section("Running", note, rows, "Nothing runs.", grows=1)


def _task(task: Json, now: float) -> list[Text]:
    return [
        line_of(_short_id(task["task_id"])),
        line_of(task["task_name"] or NONE),
        line_of(task["worker_hostname"] or NONE, style="dim"),
        _number(duration(seconds_since(task["started_at"], now))),
    ]


def _short_id(task_id: str) -> str:
    return task_id if len(task_id) <= 16 else f"{task_id[:8]}…{task_id[-4:]}"


def _number(text: str) -> Text:
    return Text(text, justify="right")


def time_of(now: float) -> str:
    """Return the time of day of a moment, in UTC."""
    return datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S UTC")
