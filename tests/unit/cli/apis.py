"""An API without a server, as the commands of a client ask it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

Json = dict[str, Any]


class Api:
    """Answers what it was told, in this order and the last one again and again; keeps what it was asked."""

    def __init__(self, *answers: tuple[int, object] | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    @property
    def lines(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.asked]

    @property
    def bodies(self) -> list[Json]:
        return [json.loads(request.content) for request in self.asked if request.content]

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, content = answer
        if isinstance(content, str):
            return httpx.Response(status, text=content, request=request)
        return httpx.Response(status, json=content, request=request)


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, object] | Exception) -> Iterator[Api]:
    """Whoever asks an API over HTTP meanwhile asks this one."""
    api = Api(*answers)
    with monkeypatch.context() as patched:
        patched.setattr(httpx.HTTPTransport, "handle_request", lambda _, request: api.answer(request))
        yield api
