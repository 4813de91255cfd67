"""The rate limit with two API processes: the first above it in a minute is refused, whichever process gets it.

Every answer's headers are held against the count of requests so far. A counter that was silent for 50 ms lets requests
pass, as it should; such a round says nothing of the limit, so it is done again from another address.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Annotated

import httpx
import typer

from bench.drills.findings import DrillReport, Finding, at_most, equal, present
from bench.report import JsonFile
from bench.stack import running_api, running_servers

OVER = 5
WINDOW_SECONDS = 60
PATH = "/api/v1/resilience/summary"
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def main(
    limit: Annotated[int, typer.Option(min=1, help="How many requests a minute; all are sent within one.")] = 1_000,
    *,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the window, and see that it is open again.")] = True,
    json_file: JsonFile = None,
) -> None:
    """Send five requests more than are let through to two API processes in turn."""
    present(measure(limit, wait=wait), json_file)


def measure(limit: int, *, wait: bool) -> DrillReport:
    """Send the requests of a minute to two processes in turn, and judge every answer and header."""
    limited = {"CELERIAC_RATE_LIMIT_PER_MINUTE": str(limit)}
    with (
        running_servers() as servers,
        running_api(servers, **limited) as (first, _),
        running_api(servers, **limited) as (second, _),
    ):
        for address in ADDRESSES:
            with _client(first, address) as one, _client(second, address) as other:
                begun = time.time()
                answers = [(one, other)[number % 2].get(PATH) for number in range(limit + OVER)]
                seconds = time.time() - begun
                if all(_is_counted(answer, limit) for answer in answers):
                    break
        findings = _findings(answers, begun, limit=limit)
        if wait:
            findings.append(_reopened(second, address, refused=answers[-1]))
    return DrillReport(
        title=f"{limit + OVER:,} requests in {seconds:.1f} s, to two API processes in turn, limit {limit:,} a minute",
        findings=findings,
        measured={"requests/s": len(answers) / seconds},
    )


def _client(url: str, address: str) -> httpx.Client:
    return httpx.Client(base_url=url, transport=httpx.HTTPTransport(local_address=address))


def _is_counted(answer: httpx.Response, limit: int) -> bool:
    return int(answer.headers["x-ratelimit-remaining"]) < limit


def _findings(answers: Sequence[httpx.Response], begun: float, *, limit: int) -> list[Finding]:
    passed, refused = answers[:limit], answers[limit:]
    resets = {int(answer.headers["x-ratelimit-reset"]) for answer in answers}
    remaining = [int(answer.headers["x-ratelimit-remaining"]) for answer in answers]
    waits = [int(answer.headers.get("retry-after", 0)) for answer in refused]
    early = [answer for answer in passed if "retry-after" in answer.headers]
    return [
        equal("requests that the counter missed", 0, seen=sum(not _is_counted(answer, limit) for answer in answers)),
        equal(f"statuses up to request {limit:,}", "200", seen=_each(answer.status_code for answer in passed)),
        equal(f"statuses from request {limit + 1:,} on", "429", seen=_each(answer.status_code for answer in refused)),
        equal("code", "RATE_LIMITED", seen=_each(answer.json().get("code") for answer in refused)),
        equal("X-RateLimit-Limit", str(limit), seen=_each(answer.headers["x-ratelimit-limit"] for answer in answers)),
        equal(
            f"Remaining counts {limit - 1} ... 0, 0", True, seen=remaining == [*range(limit - 1, -1, -1), *[0] * OVER]
        ),
        equal(f"Retry-After up to request {limit:,}", 0, seen=len(early)),
        at_most("X-RateLimit-Reset of both processes, apart by", 1, seen=max(resets) - min(resets), unit=" s"),
        at_most(
            "the window's end is a minute away, off by", 2, seen=abs(min(resets) - begun - WINDOW_SECONDS), unit=" s"
        ),
        at_most("Retry-After", WINDOW_SECONDS + 2, seen=max(waits), unit=" s"),
    ]


def _each(values: Iterable[object]) -> str:
    """Every value that occurs, once."""
    return ", ".join(sorted({str(value) for value in values}))


def _reopened(url: str, address: str, *, refused: httpx.Response) -> Finding:
    time.sleep(int(refused.headers.get("retry-after", WINDOW_SECONDS)))
    with _client(url, address) as client:
        return equal("after Retry-After seconds", 200, seen=client.get(PATH).status_code)
