from domain.consumers import CANCEL_GATE, TEN_STEPS, Consumer, Consumers

OURS = Consumer(
    "ours", True, frozenset({"q"}), "prefork", "1.0", capabilities=frozenset({CANCEL_GATE}), priority_steps=TEN_STEPS
)
STOCK = Consumer("stock", True, frozenset({"q"}), "threads")
ELSEWHERE = Consumer("elsewhere", True, frozenset({"other"}))
UNKNOWN = Consumer("unknown", True, None)


def test_a_promise_holds_where_every_consumer_keeps_it() -> None:
    consumers = Consumers([OURS, ELSEWHERE])
    assert consumers.read_ten_steps("q")
    assert consumers.all_can("q", CANCEL_GATE)


def test_one_consumer_that_does_not_keep_it_breaks_it() -> None:
    consumers = Consumers([OURS, STOCK])
    assert not consumers.read_ten_steps("q")
    assert not consumers.all_can("q", CANCEL_GATE)


def test_a_node_that_has_not_said_what_it_is_may_take_from_every_queue() -> None:
    consumers = Consumers([OURS, UNKNOWN])
    assert not consumers.read_ten_steps("q")
    assert consumers.of("anything") == [UNKNOWN]


def test_a_queue_without_a_known_consumer_promises_nothing() -> None:
    assert not Consumers([ELSEWHERE]).read_ten_steps("q")
    assert not Consumers().all_can("q", CANCEL_GATE)


def test_four_steps_are_not_ten() -> None:
    four = Consumer("four", True, frozenset({"q"}), priority_steps=frozenset({0, 3, 6, 9}))
    assert not Consumers([four]).read_ten_steps("q")


def test_the_pool_of_a_node_is_found_by_its_name() -> None:
    consumers = Consumers([OURS, STOCK])
    assert [consumers.pool_of(name) for name in ("stock", "nobody", None)] == ["threads", None, None]
