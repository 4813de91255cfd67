from typing import Any

from rich.console import Console

from cli.workflow_tree import as_tree


def step(step_id: str, *needs: str, status: str = "COMPLETED", error: str | None = None) -> dict[str, Any]:
    return {
        "id": step_id,
        "task_name": "t",
        "status": status,
        "depends_on": list(needs),
        "duration_seconds": None,
        "error": error,
    }


def drawn(*steps: dict[str, Any]) -> list[str]:
    workflow = {"workflow_id": "w", "name": "n", "status": "RUNNING", "step_count": len(steps), "unfinished_steps": 1}
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(as_tree(workflow | {"steps": list(steps)}))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_chain_is_a_column() -> None:
    assert drawn(step("c", "b", status="WAITING"), step("b", "a", status="RUNNING"), step("a")) == [
        "▶ n RUNNING 2/3  w",
        "├── ✓ a t",
        "├── ▶ b t",
        "└── · c t",
    ]


def test_steps_that_follow_the_same_one_are_set_in_and_other_parents_are_named() -> None:
    assert drawn(step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")) == [
        "▶ n RUNNING 3/4  w",
        "└── ✓ a t",
        "    ├── ✓ b t",
        "    │   └── ✓ d t (also after c)",
        "    └── ✓ c t",
    ]


def test_an_error_is_shown_by_its_first_line_and_never_as_markup() -> None:
    assert drawn(step("[red]a", status="FAILED", error="no [b]\nmore"))[1] == "└── ✗ [red]a t no [b]"


def test_a_thousand_steps_in_a_row_are_drawn() -> None:
    lines = drawn(step("0"), *(step(str(n), str(n - 1)) for n in range(1, 1000)))
    assert len(lines) == 1001
