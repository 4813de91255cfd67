"""A workflow as a Mermaid flowchart: one box for each step, coloured by its status."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.workflows.steps import StepStatus

COLOURS = {
    StepStatus.WAITING: "fill:#f4f4f5,stroke:#a1a1aa,color:#3f3f46",
    StepStatus.PENDING: "fill:#fef9c3,stroke:#ca8a04,color:#713f12",
    StepStatus.RUNNING: "fill:#dbeafe,stroke:#2563eb,color:#1e3a8a",
    StepStatus.COMPLETED: "fill:#dcfce7,stroke:#16a34a,color:#14532d",
    StepStatus.FAILED: "fill:#fee2e2,stroke:#dc2626,color:#7f1d1d",
    StepStatus.CANCELLED: "fill:#ffedd5,stroke:#ea580c,color:#7c2d12",
    StepStatus.SKIPPED: "fill:#fafafa,stroke:#d4d4d8,color:#a1a1aa,stroke-dasharray:4",
}


@dataclass(frozen=True, slots=True)
class Box:
    """A step as it is drawn."""

    label: str
    status: StepStatus


def draw(boxes: Sequence[Box], parents: Sequence[Sequence[int]]) -> str:
    """`parents` by position. Boxes are called by position, since a step's id may be any text."""
    lines = ["flowchart LR"]
    lines += [f'    s{n}["{_escaped(box.label)}"]:::{box.status}' for n, box in enumerate(boxes)]
    lines += [f"    s{parent} --> s{child}" for child, those in enumerate(parents) for parent in those]
    shown = {box.status for box in boxes}
    lines += [f"    classDef {status} {colour}" for status, colour in COLOURS.items() if status in shown]
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    """Mermaid's own entities, for all that is neither a letter nor a digit nor one of a few harmless signs."""
    return "".join(sign if sign.isalnum() or sign in " _.-:" else f"#{ord(sign)};" for sign in label)
