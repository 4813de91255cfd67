import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast

import pytest

from api.dependencies import ProcessResources
from api.pages.large_answers import answer_beside
from api.schemas.base import ResponseModel
from domain.errors import TaskNotFound


class Made(ResponseModel):
    text: str
    thread: str


@pytest.fixture
def resources() -> Iterator[ProcessResources]:
    with ThreadPoolExecutor(1, thread_name_prefix="answers") as thread:
        yield cast(ProcessResources, SimpleNamespace(answers=thread))


async def test_an_answer_is_made_and_written_in_the_thread_of_answers(resources: ProcessResources) -> None:
    response = await answer_beside(resources, lambda: Made(text="ä", thread=threading.current_thread().name))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert bytes(response.body).decode().startswith('{"text":"ä","thread":"answers_')


async def test_what_making_it_raises_reaches_the_route(resources: ProcessResources) -> None:
    def fail() -> Made:
        raise TaskNotFound

    with pytest.raises(TaskNotFound):
        await answer_beside(resources, fail)
