"""What a statement selects is what its row is made of, in the same order: rows are made by position."""

from dataclasses import fields

import pytest
from sqlalchemy import Select, select

from store.queries import tasks, workflows
from store.queries.tasks import ListedTask, TaskOutline, WholeTask
from store.queries.workflows import StepProgress, StoredWorkflow


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        (select(*tasks.ROW), ListedTask),
        (tasks._row, TaskOutline),
        (tasks._one, WholeTask),
        (workflows._one, StoredWorkflow),
        (workflows._progress, StepProgress),
    ],
)
def test_a_row_has_the_fields_that_its_statement_selects(statement: Select[tuple[object, ...]], row: type) -> None:
    assert statement.selected_columns.keys() == [field.name for field in fields(row)]
