from typing import Any

import pytest

from api.bodies.workflow_definitions import name_fields, to_workflow
from api.schemas.workflows.documents import WorkflowSubmission
from domain.errors import InvalidRequest
from domain.submissions import MAX_ARGUMENT_BYTES
from domain.workflows.definition import NewWorkflow
from domain.workflows.references import MAX_REFERENCES
from tests.facts import NOON


def step(step_id: str, *args: Any, after: list[str] | None = None) -> dict[str, Any]:
    return {"id": step_id, "task_name": f"shop.{step_id}", "task_args": list(args), "depends_on": after or []}


def result_of(step_id: str) -> dict[str, str]:
    return {"$result": step_id}


def body(*steps: dict[str, Any]) -> WorkflowSubmission:
    return WorkflowSubmission.model_validate({"name": "sums", "steps": list(steps)})


def made(*steps: dict[str, Any]) -> NewWorkflow:
    return to_workflow(body(*steps), author="me", default_queue="celery", now=NOON)


def refused(*steps: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    with pytest.raises(InvalidRequest) as refusal:
        made(*steps)
    return refusal.value.errors


def test_a_step_waits_for_those_that_it_names_and_for_those_whose_results_it_takes() -> None:
    workflow = made(step("a"), step("b"), step("c", result_of("b"), {"deep": [result_of("b")]}, after=["a", "b"]))
    assert workflow.dag.parents == ((), (), (0, 1))
    assert [each.has_references for each in workflow.steps] == [False, False, True]
    assert {workflow.submitted_by, *(each.submission.submitted_by for each in workflow.steps)} == {"me"}


def test_each_step_is_a_task_of_the_workflow_with_an_id_of_its_own() -> None:
    workflow = made(step("a", 1), step("b"))
    tasks = [each.submission for each in workflow.steps]
    assert {task.workflow_id for task in tasks} == {workflow.workflow_id}
    assert len({task.task_id for task in tasks}) == 2
    assert (tasks[0].args, tasks[0].queue_name, tasks[0].created_at) == ("[1]", "celery", NOON)


def test_names_of_tasks_have_the_fields_of_their_steps() -> None:
    assert list(name_fields(body(step("a"), step("b")))) == [
        ("steps.0.task_name", "shop.a"),
        ("steps.1.task_name", "shop.b"),
    ]


def test_a_step_that_is_needed_and_missing_is_named_where_it_is_asked_for() -> None:
    assert [field for field, _ in refused(step("a", result_of("x"), after=["y"]))] == [
        "steps.0.depends_on.0",
        "steps.0.task_args.0",
    ]


def test_all_that_is_wrong_with_the_steps_is_said_at_once() -> None:
    large, malformed = step("a", "x" * MAX_ARGUMENT_BYTES), step("c", {"$result": 1})
    assert [field for field, _ in refused(large, step("b"), malformed)] == ["steps.0.task_args", "steps.2.task_args.0"]


def test_a_step_may_refer_to_results_a_thousand_times_and_not_once_more() -> None:
    most = [result_of("a")] * MAX_REFERENCES
    assert made(step("a"), step("b", *most)).dag.parents == ((), (0,))
    ((field, message),) = refused(step("a"), step("b", *most, result_of("a")))
    assert (field, message) == ("steps.1.task_args", "may refer to results at most 1,000 times")


def test_steps_that_wait_for_each_other_are_refused() -> None:
    ((field, message),) = refused(step("a", after=["b"]), step("b", result_of("a")))
    assert field == "steps.0.depends_on.0"
    assert message.endswith("a -> b -> a")
