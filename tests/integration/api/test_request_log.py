import httpx
import structlog
from structlog.testing import capture_logs

from settings import Settings
from tests.integration.api.serving import serving

TASK = {"task_name": "celeriac.add", "task_args": ["secret", 2]}


def test_a_submissions_line_has_the_ids_of_request_and_task_and_none_of_its_arguments(settings: Settings) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs, serving(settings) as url:
        answer = httpx.post(f"{url}/api/v1/tasks", json=TASK, headers={"X-Request-ID": "mine"})
        httpx.get(f"{url}/api/v1/tasks/{answer.json()['task_id']}")
    submitted, read = (line for line in logs if line["event"] == "request_finished")
    assert (submitted["request_id"], submitted["task_id"]) == ("mine", answer.json()["task_id"])
    assert read["task_id"] is None
    assert "secret" not in str(logs)
