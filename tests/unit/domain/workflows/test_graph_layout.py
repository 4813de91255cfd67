from domain.workflows.graph_layout import Box, draw
from domain.workflows.steps import StepStatus


def test_a_diamond_is_drawn_with_boxes_arrows_and_the_colours_it_needs() -> None:
    boxes = [Box("a", StepStatus.COMPLETED), Box('b"]; x', StepStatus.RUNNING), Box("c", StepStatus.WAITING)]
    assert draw(boxes, [(), (0,), (0, 1)]).splitlines()[:7] == [
        "flowchart LR",
        '    s0["a"]:::COMPLETED',
        '    s1["b#34;#93;#59; x"]:::RUNNING',
        '    s2["c"]:::WAITING',
        "    s0 --> s1",
        "    s0 --> s2",
        "    s1 --> s2",
    ]
    assert draw(boxes, [(), (0,), (0, 1)]).count("classDef") == 3
