"""What nodes are asked and told, in which words, and what is made of their answers."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.broker_options import BrokerOptions
from domain.errors import BrokerUnavailable
from gateway import control as control_module
from gateway.control import MAX_NODE, NO_EVENTS, ActiveTask, Control, HeldTask, Said, Work
from gateway.mailbox import Answers, Command
from gateway.replies import MOST_WARNED_OF, Replies

OPTIONS = BrokerOptions(global_keyprefix="shop:")
STATS: dict[str, Any] = {"pid": 7, "pool": {"implementation": "celery.concurrency.solo:TaskPool", "processes": [7]}}


class Mailbox:
    """Stands in for the wire: answers by method, and remembers what was asked and told."""

    def __init__(self) -> None:
        self.replies: dict[str, list[dict[str, Any]]] = {}
        self.unread: dict[str, str] = {}
        """Nodes whose replies cannot be read, with their content type."""
        self.asked: list[tuple[list[Command], Collection[str] | None, float]] = []
        self.told: list[tuple[Command, Collection[str] | None]] = []
        self.forgotten: list[str] = []
        self.addresses: set[str | None] = set()
        self.error: Exception | None = None

    def ask(
        self,
        url: str,
        commands: list[Command],
        *,
        nodes: Collection[str] | None,
        seconds: float,
        options: BrokerOptions | None,
        serializer: str,
        address: str | None,
        unreadable: Callable[[str, str], None],
    ) -> list[Answers]:
        assert (url, options, serializer) == ("redis://h/0", OPTIONS, "pickle")
        self._fail()
        self.asked.append((commands, nodes, seconds))
        self.addresses.add(address)
        answers = [Answers() for _ in commands]
        for command, answer in zip(commands, answers, strict=True):
            for reply in self.replies.get(command.method, []):
                answer.add(reply)
        for node, kind in self.unread.items():
            unreadable(node, kind)
        return answers

    def tell(
        self,
        url: str,
        command: Command,
        *,
        nodes: Collection[str] | None = None,
        options: BrokerOptions | None = None,
        serializer: str = "json",
    ) -> None:
        assert (url, options, serializer) == ("redis://h/0", OPTIONS, "pickle")
        self._fail()
        self.told.append((command, nodes))

    def forget(self, url: str, address: str, *, options: BrokerOptions | None) -> None:
        assert (url, options) == ("redis://h/0", OPTIONS)
        self._fail()
        self.forgotten.append(address)

    def _fail(self) -> None:
        if self.error:
            raise self.error

    @property
    def questions(self) -> list[tuple[list[str], Collection[str] | None]]:
        """Return the methods that were asked for, and of whom."""
        return [([command.method for command in commands], nodes) for commands, nodes, _ in self.asked]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    mailbox = Mailbox()
    for name in ("ask", "tell", "forget"):
        monkeypatch.setattr(control_module, name, getattr(mailbox, name))
    return mailbox


@pytest.fixture
async def control(mailbox: Mailbox) -> Any:
    control = Control("redis://h/0", OPTIONS, serializer="pickle")
    yield control
    await control.close()


@pytest.mark.parametrize(
    ("order", "method", "arguments"),
    [
        (lambda control: control.pause("one"), "celeriac_pause", {}),
        (lambda control: control.resume("one"), "celeriac_resume", {}),
        (lambda control: control.resize("one", 2), "pool_grow", {"n": 2}),
        (lambda control: control.resize("one", -3), "pool_shrink", {"n": 3}),
    ],
)
@pytest.mark.parametrize(
    ("reply", "is_taken"),
    [({"ok": "done"}, True), (None, True), ({"error": "unknown command"}, False)],
)
async def test_an_order_is_taken_where_the_node_answers_and_names_no_error(
    order: Any, method: str, arguments: dict[str, int], reply: Any, is_taken: bool, mailbox: Mailbox, control: Control
) -> None:
    mailbox.replies[method] = [{"one": reply}]
    assert await order(control) is is_taken
    (((command,), nodes, _),) = mailbox.asked
    assert (command, nodes) == (Command(method, arguments), ["one"])


@pytest.mark.parametrize("method", ["celeriac_pause", "celeriac_resume", "pool_grow"])
async def test_an_order_is_not_taken_by_a_node_that_is_silent_or_by_another_in_its_place(
    method: str, mailbox: Mailbox, control: Control
) -> None:
    mailbox.replies[method] = [{"other": {"ok": "done"}}]
    orders = {
        "celeriac_pause": control.pause("one"),
        "celeriac_resume": control.resume("one"),
        "pool_grow": control.resize("one", 1),
    }
    for name, order in orders.items():
        if name == method:
            assert await order is False
        else:
            order.close()


@pytest.mark.parametrize(("consuming", "method"), [(True, "add_consumer"), (False, "cancel_consumer")])
async def test_a_node_is_told_of_each_queue_in_one_go(
    consuming: bool, method: str, mailbox: Mailbox, control: Control
) -> None:
    await control.set_consuming("one", ["mail", "news"], consuming=consuming)
    ((commands, nodes, _),) = mailbox.asked
    assert commands == [Command(method, {"queue": "mail"}), Command(method, {"queue": "news"})]
    assert nodes == ["one"]


async def test_who_consumes_a_queue_already_is_not_among_those_that_took_the_order(
    mailbox: Mailbox, control: Control
) -> None:
    mailbox.replies["add_consumer"] = [{"new": {"ok": "add consumer mail"}}, {"old": {"error": "already consuming"}}]
    assert await control.add_consumer("mail", ["new", "old", "silent"]) == {"new"}


async def test_a_shutdown_is_for_one_node_and_never_for_all(mailbox: Mailbox, control: Control) -> None:
    await control.shut_down("one")
    assert mailbox.told == [(Command("shutdown"), ["one"])]


async def test_a_revoke_is_one_broadcast_that_ends_nothing_unless_asked(mailbox: Mailbox, control: Control) -> None:
    await control.revoke(["a", "b"])
    await control.revoke(["c"], terminate=True, signal="SIGKILL")
    assert mailbox.told == [
        (Command("revoke", {"task_id": ["a", "b"], "terminate": False, "signal": "SIGTERM"}), None),
        (Command("revoke", {"task_id": ["c"], "terminate": True, "signal": "SIGKILL"}), None),
    ]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ({"ok": "task events enabled"}, {"one": False}),
        ({"ok": "task events already enabled"}, {"one": True}),
        ({"error": NO_EVENTS}, {"one": None}),
        ({"error": "unknown command"}, {}),
        ({"ok": "something else"}, {}),
        ({}, {}),
        ("task events enabled", {}),
        (None, {}),
        ([], {}),
    ],
)
async def test_whether_a_node_tells_of_its_tasks_is_taken_from_celerys_own_words(
    reply: Any, answer: dict[str, bool | None], mailbox: Mailbox, control: Control
) -> None:
    mailbox.replies["enable_events"] = [{"one": reply}]
    assert await control.enable_events(["one"]) == answer


@pytest.mark.parametrize(
    "question",
    [
        lambda control: control.ping([]),
        lambda control: control.describe([]),
        lambda control: control.query_tasks(["t"], []),
        lambda control: control.list_active([]),
        lambda control: control.list_work([]),
        lambda control: control.enable_events([]),
        lambda control: control.add_consumer("mail", []),
        lambda control: control.set_consuming("one", [], consuming=True),
    ],
)
async def test_of_nobody_nothing_is_asked_that_would_go_to_everyone(
    question: Any, mailbox: Mailbox, control: Control
) -> None:
    answer = await question(control)
    assert not answer or answer == (frozenset(), {})
    assert all(nodes for _, nodes, _ in mailbox.asked)


async def test_a_broadcast_takes_a_second_and_a_question_to_nodes_no_longer_than_two(
    mailbox: Mailbox, control: Control
) -> None:
    await control.find_nodes()
    await control.find_present()
    await control.ping(["one"])
    assert [(nodes, seconds) for _, nodes, seconds in mailbox.asked] == [(None, 1.0), (None, 1.0), (["one"], 2.0)]


async def test_a_node_is_described_only_if_it_answers_all_three_questions(mailbox: Mailbox, control: Control) -> None:
    mailbox.replies = {
        "stats": [{"all": STATS}, {"two": STATS}, {"ill": STATS}],
        "registered": [{"all": ["shop.pay"]}, {"two": ["shop.pay"]}, {"ill": {"error": "broken"}}],
        "active_queues": [{"all": [{"name": "mail"}]}, {"ill": [{"name": "mail"}]}],
    }
    described = await control.describe(["all", "two", "ill"])
    assert described.keys() == {"all"}
    assert (described["all"].registered, described["all"].queues) == (("shop.pay",), ("mail",))
    assert mailbox.questions == [(["stats", "registered", "active_queues"], ["all", "two", "ill"])], "in one go"


def describe(mailbox: Mailbox, **tells_ids: bool) -> None:
    """Let these nodes describe themselves, with a plugin that tells ids alone or not."""
    mailbox.replies |= {
        "stats": [{node: STATS | {"celeriac": {"tells_ids": told}}} for node, told in tells_ids.items()],
        "registered": [{node: []} for node in tells_ids],
        "active_queues": [{node: []} for node in tells_ids],
    }


async def test_who_can_tell_ids_alone_is_asked_for_no_arguments(mailbox: Mailbox, control: Control) -> None:
    describe(mailbox, brief=True, stock=False)
    await control.describe(["brief", "stock"])
    mailbox.asked.clear()
    mailbox.replies = {
        "celeriac_active": [{"brief": [{"id": "a"}]}],
        "active": [{"stock": [{"id": "b", "args": "'s3cret'"}]}],
        "celeriac_find": [{"brief": {"a": "active"}}],
        "query_task": [{"stock": {"b": ["reserved", {"args": "'s3cret'"}]}}],
    }
    assert await control.list_work(["brief", "stock"]) == {"brief": Work(("a",)), "stock": Work(("b",))}
    assert await control.query_tasks(["a", "b"], ["brief", "stock"]) == {
        "a": HeldTask("brief", "active"),
        "b": HeldTask("stock", "reserved"),
    }
    assert mailbox.questions == [
        (["celeriac_active"], ["brief"]),
        (["active"], ["stock"]),
        (["celeriac_find"], ["brief"]),
        (["query_task"], ["stock"]),
    ]
    assert mailbox.asked[1][0][0].arguments == {"safe": True}, "arguments as short texts"


async def test_a_node_that_lost_its_plugin_is_asked_as_celery_has_it(mailbox: Mailbox, control: Control) -> None:
    describe(mailbox, one=True)
    await control.describe(["one"])
    describe(mailbox, one=False)
    await control.describe(["one"])
    mailbox.asked.clear()
    await control.list_work(["one"])
    assert mailbox.questions == [(["active"], ["one"])]


async def test_who_is_remembered_is_bounded(
    mailbox: Mailbox, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "MOST_NODES", 2)
    describe(mailbox, one=True, two=True)
    await control.describe(["one", "two"])
    assert control._tell_ids == {"one", "two"}
    describe(mailbox, three=True)
    await control.describe(["three"])
    assert control._tell_ids == {"three"}


async def test_what_runs_is_told_with_its_process_and_its_start(mailbox: Mailbox, control: Control) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    mailbox.replies["active"] = [
        {"one": [{"id": "a", "worker_pid": 8, "time_start": start.timestamp()}, {"id": "b"}]},
        {"idle": []},
    ]
    answered, active = await control.list_active(["one", "idle", "silent"])
    assert answered == {"one", "idle"}
    assert active == {"a": ActiveTask("one", 8, start), "b": ActiveTask("one", None, None)}


async def test_everyone_is_counted_who_answers_both_questions(mailbox: Mailbox, control: Control) -> None:
    """Two processes of one name, of which one answers only the first question."""
    mailbox.replies = {
        "query_task": [{"twin": {}}, {"two": {"b": ["reserved", {}]}}],
        "active": [{"twin": [{"id": "a"}, {"id": "stranger"}]}, {"twin": []}, {"two": []}, {"half": []}],
    }
    said = await control.ask_everyone(["b", "a"])
    assert said == Said({"twin": 1, "two": 1}, {"a": HeldTask("twin", "active"), "b": HeldTask("two", "reserved")})
    ((commands, nodes, _),) = mailbox.asked
    assert nodes is None
    assert commands == [Command("query_task", {"ids": ["a", "b"]}), Command("active", {"safe": True})]


async def test_where_a_task_is_held_is_known_better_from_where_it_is_looked_for(
    mailbox: Mailbox, control: Control
) -> None:
    mailbox.replies = {"query_task": [{"one": {"a": ["reserved", {}]}}], "active": [{"one": [{"id": "a"}]}]}
    assert (await control.ask_everyone(["a"])).holders == {"a": HeldTask("one", "reserved")}


async def test_an_answer_that_nobody_can_read_proves_that_the_node_is_there(mailbox: Mailbox, control: Control) -> None:
    mailbox.replies["ping"] = [{"sound": {"ok": "pong"}}]
    mailbox.unread = {"odd": "application/x-yaml"}
    with capture_logs() as logs:
        assert await control.find_present() == {"sound", "odd"}
        assert await control.find_nodes() == {"sound"}
    assert control.unreadable(["sound", "odd", "silent"]) == {"odd": "application/x-yaml"}
    assert [(line["event"], line["node"]) for line in logs] == [("reply_unreadable", "odd")], "once"


async def test_a_node_that_can_be_read_again_is_no_longer_told_of(mailbox: Mailbox, control: Control) -> None:
    mailbox.unread = {"odd": "application/x-yaml"}
    await control.ping(["odd"])
    mailbox.unread, mailbox.replies["ping"] = {}, [{"odd": {"ok": "pong"}}]
    await control.ping(["odd"])
    assert control.unreadable(["odd"]) == {}


@pytest.mark.parametrize(("length", "is_known"), [(MAX_NODE, True), (MAX_NODE + 1, False)])
async def test_a_name_that_no_node_can_have_is_nobodys(
    length: int, is_known: bool, mailbox: Mailbox, control: Control
) -> None:
    name = "n" * length
    mailbox.unread = {name: "text/plain"}
    assert (name in await control.find_present()) is is_known
    mailbox.unread, mailbox.replies["ping"] = {}, [{name: {"ok": "pong"}}]
    assert (name in await control.find_nodes()) is is_known


async def test_names_that_somebody_made_up_before_hide_no_node_that_is_there(
    mailbox: Mailbox, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "MOST_NODES", 1)
    mailbox.unread = {"made up": "x"}
    await control.ping(["one"])
    mailbox.unread = {"one": "x"}
    assert await control.find_present() == {"one"}
    assert control.unreadable(["made up", "one"]) == {"made up": "x"}, "of no more it is remembered why"


async def test_who_never_asked_has_nothing_to_forget(mailbox: Mailbox) -> None:
    control = Control("redis://h/0", OPTIONS, serializer="pickle")
    await control.revoke(["t"])
    await control.close()
    assert mailbox.forgotten == []


async def test_who_asked_has_one_address_and_leaves_nothing_there(mailbox: Mailbox) -> None:
    control = Control("redis://h/0", OPTIONS, serializer="pickle")
    await control.ping(["one"])
    await control.find_nodes()
    await control.close()
    assert len(mailbox.addresses) == 1
    assert mailbox.forgotten == [*mailbox.addresses]


async def test_a_broker_that_is_away_keeps_nobody_from_closing(mailbox: Mailbox) -> None:
    control = Control("redis://h/0", OPTIONS, serializer="pickle")
    mailbox.error = ConnectionRefusedError()
    for question in (control.ping(["one"]), control.revoke(["t"]), control.shut_down("one")):
        with pytest.raises(BrokerUnavailable):
            await question
    await control.close()
    await control.close()


def test_of_only_so_many_nodes_it_is_said_that_they_are_not_understood() -> None:
    replies = Replies()
    nonsense = {f"node-{number}": 1 for number in range(MOST_WARNED_OF + 1)}
    with capture_logs() as logs:
        assert replies.read(nonsense, lambda _node, reply: len(reply)) == {}
    assert len(logs) == MOST_WARNED_OF
    assert logs[0] == {"event": "reply_not_understood", "node": "node-0", "error": "TypeError", "log_level": "warning"}
