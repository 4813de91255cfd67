"""What a statement selects is what its row is made of, in the same order: rows are made by position."""

from dataclasses import fields

import pytest
from sqlalchemy import Select, select

from domain.sight import EVERYTHING
from store.queries.tasks import documents as task_documents
from store.queries.tasks.documents import ListedTask, TaskOutline, WholeTask
from store.queries.workflows import documents as workflow_documents
from store.queries.workflows.documents import StepProgress, StoredWorkflow


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        (select(*task_documents.ROW), ListedTask),
        (task_documents._row(EVERYTHING), TaskOutline),
        (task_documents._one(EVERYTHING), WholeTask),
        (workflow_documents._one, StoredWorkflow),
        (workflow_documents._progress, StepProgress),
    ],
)
def test_a_row_has_the_fields_that_its_statement_selects(statement: Select[tuple[object, ...]], row: type) -> None:
    assert statement.selected_columns.keys() == [field.name for field in fields(row)]
