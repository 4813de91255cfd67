"""Thousands of tasks of every kind of course: the submissions and the news that tell of them, the same for a seed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from domain.facts import PUBLISHER, Fact, worker_event_key
from domain.identities import Identity
from domain.results import StoredResult
from domain.states import EventType
from domain.submissions import Submission
from services.dispatch import withdrawn
from services.record import News
from tests.submissions import make_submission

NAMES = ("orders.import", "orders.charge", "mail.send")
QUEUES = ("celery", "payments")
NODES = ("celery@one", "celery@two")
ERRORS = ("ValueError", "KeyError", "TimeoutError")
KINDS = ("completed", "failed", "cancelled", "withdrawn", "retried", "resurrected", "running", "waiting")


@dataclass
class Courses:
    """What writers are given."""

    submissions: list[Submission] = field(default_factory=list)
    news: list[News] = field(default_factory=list)
    """In random order, as several mirrors may hear it; some of it twice."""

    def batches(self, size: int) -> Iterator[News]:
        for start in range(0, len(self.news), size):
            part = self.news[start : start + size]
            yield News(
                [fact for news in part for fact in news.facts],
                [identity for news in part for identity in news.identities],
                [result for news in part for result in news.results],
            )


def make_courses(count: int, *, start: datetime, length: timedelta, seed: int = 1) -> Courses:
    """So many tasks, begun at random moments of this time; each third one comes from another publisher."""
    random = Random(seed)
    courses = Courses()
    for number in range(count):
        course = _Course(random, number, begun=start + random.random() * length)
        if number % 3:
            courses.submissions.append(course.submission())
        else:
            courses.news.append(course.foreign())
        courses.news += course.news(random.choice(KINDS), ours=bool(number % 3))
    courses.news += random.sample(courses.news, len(courses.news) // 10)
    random.shuffle(courses.news)
    return courses


class _Course:
    def __init__(self, random: Random, number: int, *, begun: datetime) -> None:
        self._random, self._number, self._clock = random, number, 0
        self._at = begun
        self.task_id = f"task-{number:06}"
        self._name, self._queue = random.choice(NAMES), random.choice(QUEUES)
        self._node = random.choice(NODES)
        self._scheduled = begun + timedelta(seconds=30) if random.random() < 0.1 else None

    def submission(self) -> Submission:
        return make_submission(
            task_id=self.task_id,
            task_name=self._name,
            queue_name=self._queue,
            created_at=self._at,
            scheduled_at=self._scheduled,
        )

    def foreign(self) -> News:
        sent = Fact(self.task_id, EventType.SUBMITTED, self._at, "sent", details={"source": PUBLISHER})
        return News([sent], [Identity(self.task_id, self._name, queue_name=self._queue)])

    def news(self, kind: str, *, ours: bool) -> list[News]:
        """One piece for each event."""
        if kind == "waiting":
            return []
        if kind == "withdrawn" and ours:
            return [News([withdrawn(self.task_id, self._after(1))])]
        told = [self._received(0), News([self._event(EventType.STARTED)])]
        if kind == "retried":
            told += [News([self._event(EventType.RETRIED, exception="ValueError('again')")])]
            told += [self._received(1), News([self._event(EventType.STARTED)])]
        return told + self._ends(kind)

    def _ends(self, kind: str) -> list[News]:
        error = self._random.choice(ERRORS)
        failed = News([self._event(EventType.FAILED, exception=f"{error}('no')")])
        match kind:
            case "running":
                return []
            case "cancelled":
                return [News([self._event(EventType.REVOKED, terminated=True)])]
            case "failed":
                return [failed, self._result(self._random.choice(ERRORS))] if self._number % 2 else [failed]
            case "resurrected":  # a success that is heard after a failure wins
                return [failed, News([self._event(EventType.SUCCEEDED)])]
            case _:
                return [News([self._event(EventType.SUCCEEDED)])]

    def _received(self, retries: int) -> News:
        fact = self._event(EventType.RECEIVED, retries=retries)
        return News([fact], [Identity(self.task_id, self._name)])

    def _result(self, error: str) -> News:
        """What the backend tells is truer than the event."""
        result = StoredResult(self.task_id, "FAILURE", exception_type=error, exception_message="no", date_done=self._at)
        return News(results=[result])

    def _event(self, event_type: EventType, *, retries: int | None = None, **details: str | bool) -> Fact:
        self._clock += 1
        key = worker_event_key(event_type, self._node, pid=1, clock=10 * self._number + self._clock)
        at = self._after(self._random.lognormvariate(0, 2))
        clock = 10 * self._number + self._clock
        return Fact(self.task_id, event_type, at, key, self._node, 1, clock, retries, details)

    def _after(self, seconds: float) -> datetime:
        self._at += timedelta(microseconds=round(seconds * 1e6))
        return self._at
