import json
from pathlib import Path

import pytest

from cli.errors import CliError
from cli.workflow_files import read_workflow

BODY = {"name": "x", "steps": [{"id": "a", "task_name": "t", "task_args": [{"$result": "b", "pointer": "/0"}]}]}
TEXTS = {
    "x.json": json.dumps(BODY),
    "x.yaml": "name: x\nsteps:\n- {id: a, task_name: t, task_args: [{$result: b, pointer: /0}]}\n",
    "x.YML": "name: x\nsteps:\n- {id: a, task_name: t, task_args: [{$result: b, pointer: /0}]}\n",
    "x.toml": 'name = "x"\n[[steps]]\nid = "a"\ntask_name = "t"\ntask_args = [{ "$result" = "b", pointer = "/0" }]\n',
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_form_says_the_same(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(TEXTS[name])
    assert read_workflow(file) == BODY


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("x.txt", "", "must end with one of .json, .yaml, .yml, .toml"),
        ("x.json", "{", "cannot be read as json"),
        ("x.yaml", "a: [", "cannot be read as yaml"),
        ("x.toml", "a =", "cannot be read as toml"),
        ("x.toml", "at = 2026-01-01T00:00:00Z", "cannot be read as toml"),
        ("x.json", "[]", "must hold an object"),
        ("x.yaml", "", "must hold an object"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(name: str, text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(CliError, match=complaint):
        read_workflow(file)


def test_a_file_that_is_not_there_is_said_too(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="No such file"):
        read_workflow(tmp_path / "none.json")
