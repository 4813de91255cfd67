"""What `-A` does: `up` reads the app, starts what is missing beside it, tells what holds; `doctor` starts nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from cli.addresses import Addresses, read_addresses
from cli.beside.advice import Advice, advise
from cli.beside.app import AppFacts, interpreter_of, read_app
from cli.beside.fleet import find_workers, known_workers, wait_for_workers
from cli.beside.report import show_app, show_fleet
from cli.beside.surroundings import leave_app_variables
from cli.beside.values import Beside, beside
from cli.beside.worker import app_worker, refuse_factory
from cli.configuration import tell_unknown_variables
from cli.doctor import CheckResult, examine_servers
from cli.up import GUEST_WORKER, Guest, run_up
from domain.promises import PROMISES, FleetWorker, by_queue, extent_of
from domain.server_urls import mask_url


def run_beside(name: str, *, python: str | None, worker: bool, **options: object) -> None:
    """Run Celeriac beside the app until it is stopped. Raises CliError."""
    interpreter = interpreter_of(python)
    facts = read_app(name, interpreter)
    if worker:
        refuse_factory(name, facts)
    environment = leave_app_variables()
    tell_unknown_variables()
    settings_beside = beside(facts, **options)
    show_app(name, facts, interpreter=interpreter, beside=settings_beside)
    start = (
        partial(app_worker, facts=facts, name=name, interpreter=interpreter, environment=environment)
        if worker
        else None
    )
    guest = Guest(start, partial(_tell, facts=facts, name=name, own_worker=worker))
    asyncio.run(run_up(settings_beside.settings, guest=guest))


@dataclass(frozen=True, slots=True)
class Examined:
    """What `doctor -A` found."""

    name: str
    interpreter: str
    facts: AppFacts
    beside: Beside
    findings: list[CheckResult]
    consumers: Sequence[FleetWorker]
    advice: Advice | None

    def as_json(self) -> dict[str, Any]:
        """Return it for programs; without secrets, as what is shown."""
        settings = self.beside.settings
        return {
            "app": {
                "name": self.name,
                "interpreter": self.interpreter,
                "celery": self.facts.celery,
                "python": self.facts.python,
                "plugin": self.facts.plugin,
            },
            "broker_url": mask_url(settings.broker_url or ""),
            "results": self.beside.results,
            "default_queue": settings.default_queue,
            "notes": list(self.beside.notes),
            "findings": [asdict(finding) for finding in self.findings],
            "workers": [asdict(consumer) for consumer in self.consumers],
            "queues": {
                queue: {promise.word: extent_of(promise, workers) for promise in PROMISES}
                for queue, workers in by_queue(self.consumers).items()
            },
            "advice": asdict(self.advice) if self.advice else None,
        }


def examine_beside(name: str, *, python: str | None, data: str | None, url: str | None) -> Examined:
    """Ask a Celeriac that runs beside the app for its workers, or else the workers themselves. Raises CliError."""
    interpreter = interpreter_of(python)
    facts = read_app(name, interpreter)
    leave_app_variables()
    settings_beside = beside(facts, data=data)
    running = read_addresses(settings_beside.settings.data)
    api_url = url or (running.api_url if running else None)
    findings = examine_servers(settings_beside.settings)
    broker_answers = all(finding.verdict != "fail" for finding in findings if finding.subject == "broker")
    consumers = known_workers(api_url, facts) if api_url else []
    if not consumers and broker_answers:
        consumers = find_workers(settings_beside.settings, facts)
    advice = advise(name, facts, consumers=consumers) if broker_answers else None
    return Examined(name, interpreter, facts, settings_beside, findings, consumers, advice)


def _tell(addresses: Addresses, facts: AppFacts, *, name: str, own_worker: bool) -> None:
    consumers = wait_for_workers(addresses.api_url, facts)
    if own_worker:  # which was started with -E
        consumers = [replace(each, events=True) if _is_ours(each) else each for each in consumers]
    show_fleet(consumers, advise(name, facts, consumers=consumers))


def _is_ours(consumer: FleetWorker) -> bool:
    return consumer.node.split("@")[0] == GUEST_WORKER
