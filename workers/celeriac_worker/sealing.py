"""What a worker does about encrypted parts: opens those of the arguments right before the run, and seals what it makes.

`Task.run` alone sees the values. All else that Celery knows of the run keeps what the message held: the request, its
repr, a retry, the hooks and signals, the result backend, the events, the log.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Mapping
from functools import partial, wraps
from typing import Any

from celery import bootsteps
from celery.exceptions import Ignore, ImproperlyConfigured, Reject, Retry, SoftTimeLimitExceeded
from kombu.utils.encoding import safe_repr
from kombu.utils.json import dumps

from celeriac_worker.payloads import (
    MARK,
    PayloadError,
    PayloadKeys,
    bound_to_argument,
    bound_to_error,
    bound_to_result,
    environment_keys,
    read_mark,
)

MARK_BYTES = MARK.encode()
ALWAYS = "celeriac_seals_result"
"""The option of a task whose result is sealed also where its arguments had no encrypted part."""
TAKES_FROM = "celeriac_takes_results_of"
"""The option of a task that names the tasks whose sealed results it may be given as arguments."""
SHOWN_ERROR = 2_000
"""Characters of an exception's `repr` that are sealed: what comes out stays below the 64 KiB that Celeriac keeps."""


class SealedError(Exception):
    """Ends a run with encrypted arguments in place of what it raised: the name of that one's class, and its sealed
    text.
    """


class PayloadOpening(bootsteps.Step):
    """When the worker starts, and before it forks, every task of its app learns to open what is encrypted."""

    def __init__(self, worker: Any, **kwargs: Any) -> None:
        super().__init__(worker, **kwargs)
        try:
            keys = environment_keys()
        except PayloadError as error:
            raise ImproperlyConfigured(str(error)) from None
        for task in worker.app.tasks.values():
            open_payloads(task, keys)


def open_payloads(task: Any, keys: PayloadKeys) -> None:
    """Give this one task the behaviour; a second time changes nothing.

    Around `run` of the object, so that `autoretry_for`, which stands there too, is inside of it.
    """
    own = task.run
    if hasattr(own, "celeriac_opens"):
        return
    seals_always = bool(getattr(task, ALWAYS, False))

    @wraps(own)
    def run(*args: Any, **kwargs: Any) -> Any:
        if seals_always or holds_mark((args, kwargs)):
            return _SealedRun(task, keys, own=own).run(args, kwargs)
        return own(*args, **kwargs)

    run.celeriac_opens = True  # type: ignore[attr-defined]
    task.run = run
    cls: type = type(task)
    if not issubclass(cls, SealedRetry):
        own_names = {"__module__": cls.__module__, "__doc__": cls.__doc__, "celeriac_keys": keys}
        task.__class__ = type(cls.__name__, (SealedRetry, cls), own_names)


class SealedRetry:
    """Mixed into the class of a task."""

    request: Any
    name: str
    celeriac_keys: PayloadKeys

    def retry(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Retry as Celery does; arguments that a run with encrypted ones names anew are sealed, each as a whole."""
        kid = getattr(self.request, "celeriac_kid", None)
        if kid is not None:
            seal = partial(_seal_again, keys=self.celeriac_keys, kid=kid, task_name=self.name)
            args = args if args is None else [seal(value) for value in args]
            kwargs = kwargs if kwargs is None else {name: seal(value) for name, value in kwargs.items()}
        return super().retry(args, kwargs, *rest, **options)  # type: ignore[misc]


def holds_mark(value: Any) -> bool:
    """Tell whether an encrypted part is anywhere in this value."""
    return _may_hold_mark(value) and any(MARK in each for each in _containers(value) if isinstance(each, dict))


def _may_hold_mark(value: Any) -> bool:
    """Look at all of it at once, in C: a tenth of the time of `_containers`, a seventh of that of reading its JSON."""
    try:
        return MARK_BYTES in marshal.dumps(value)
    except ValueError:
        # Something that is no JSON, such as a date, or deeper than 2,000.
        return True


def _containers(value: Any) -> Iterator[Any]:
    """Yield each object and list in it. Arguments are as deep as their sender likes."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        yield each
        items = each.values() if isinstance(each, dict) else each
        waiting.extend(item for item in items if isinstance(item, (dict, list, tuple)))


class _SealedRun:
    """One run of a task that was given encrypted arguments, or that always seals its result."""

    def __init__(self, task: Any, keys: PayloadKeys, *, own: Callable[..., Any]) -> None:
        self._task = task
        self._keys = keys
        self._own = own
        self._kid: str | None = None
        """Of the first encrypted part: whoever has sealed it can read what comes of it."""

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the sealed result of the task's own `run`; raises what may be seen of what that raises."""
        try:
            if MARK in kwargs:
                raise PayloadError("Keyword arguments are not encrypted as a whole, their values are.")
            args, kwargs = tuple(map(self._opened, args)), {name: self._opened(kwargs[name]) for name in kwargs}
        except PayloadError as error:
            raise PayloadError(f"An encrypted argument cannot be opened: {error}") from None
        request = self._task.request
        if request.called_directly:
            # Another task's code: what it is given, it has asked for.
            return self._own(*args, **kwargs)
        names = (self._task.name, request.id)
        seal = partial(self._sealed, kid=self._keys.usable(self._kid), names=names)
        request.celeriac_kid = self._kid
        try:
            return seal(self._own(*args, **kwargs), bound_to_result(*names))
        except SystemExit as end:
            if not isinstance(end.code, (int, type(None))):
                # A process that ends with a text prints it.
                end.code, end.args = 1, (1,)
            raise
        except Exception as error:
            failure = _hidden(error, lambda text: seal(text, bound_to_error(*names)))
        # Outside of `except`, or it would bring what it stands for as its context.
        raise failure

    def _opened(self, value: Any) -> Any:
        if isinstance(value, dict):
            if MARK in value:
                return self._open(read_mark(value))
            return {key: self._opened(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._opened(item) for item in value]
        return value

    def _open(self, sealed: Mapping[str, str]) -> Any:
        value = self._keys.open(sealed, self._bound(sealed))
        self._kid = self._kid or sealed["kid"]
        return value

    def _bound(self, sealed: Mapping[str, str]) -> bytes:
        if "task_name" not in sealed:
            return bound_to_argument(self._task.name)
        if sealed["task_name"] not in getattr(self._task, TAKES_FROM, ()):
            raise PayloadError(
                f"It is a result of another task, which {TAKES_FROM} of {self._task.name} does not name."
            )
        return bound_to_result(sealed["task_name"], sealed["task_id"])

    def _sealed(self, value: Any, bound_to: bytes, *, kid: str, names: tuple[str, str]) -> dict[str, Any]:
        task_name, task_id = names
        return {MARK: {**self._keys.seal(value, bound_to, kid=kid), "task_name": task_name, "task_id": task_id}}


def _hidden(error: Exception, seal: Callable[[str], dict[str, Any]]) -> Exception:
    """Return what is raised in place of an exception, whose text may repeat what was opened.

    What Celery acts on stays what it is. The traceback goes along: it shows lines of code, and no values.
    """
    hidden: Exception
    if isinstance(error, Retry):
        reason = None if error.exc is None else _hidden(error.exc, seal)
        # `sig` and `is_eager` are missing from its published types.
        options: dict[str, Any] = {name: vars(error)[name] for name in ("when", "is_eager", "sig")}
        hidden = Retry(exc=reason, **options)
    elif isinstance(error, Reject):
        hidden = Reject("The reason is not shown.", requeue=vars(error)["requeue"])
    elif isinstance(error, Ignore):
        hidden = Ignore()
    elif isinstance(error, SoftTimeLimitExceeded):
        hidden = SoftTimeLimitExceeded()
    elif isinstance(error, SealedError):
        hidden = SealedError(*error.args)
    else:
        hidden = SealedError(f"{type(error).__name__} {dumps(seal(safe_repr(error)[:SHOWN_ERROR]))}")
    return hidden.with_traceback(error.__traceback__)


def _seal_again(value: Any, *, keys: PayloadKeys, kid: str, task_name: str) -> Any:
    if isinstance(value, dict) and MARK in value:
        return value
    return {MARK: keys.seal(value, bound_to_argument(task_name), kid=kid)}
