"""Messages are taken back from Redis: only the right ones, only where somebody reads, whatever lies beside them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, ResponseError
from structlog.testing import capture_logs

from domain.broker_options import STOCK_PRIORITY_STEPS, BrokerOptions
from domain.consumers import Consumer, Consumers
from domain.errors import BrokerUnavailable
from gateway import message_mover
from gateway.layout import Layout, Ledger
from gateway.message_mover import EVER, FetchedMessage, MessageMover
from tests.fakes.scripted_redis import ScriptedRedis

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER_KIND = ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
LEDGER = Ledger("unacked", "unacked_index")
BINDING = "_kombu.binding."


def message(task_id: str, **properties: Any) -> dict[str, Any]:
    return {"body": "W10=", "headers": {"id": task_id}, "properties": properties}


def entry(task_id: str, exchange: str = "", *, key: str = "mail", **properties: Any) -> bytes:
    """What the ledger has of a fetched message."""
    return json.dumps([message(task_id, **properties), exchange, key]).encode()


class Server(ScriptedRedis):
    """A Redis with lists of messages and one ledger, that runs no script but the one that moves."""

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, list[bytes]] = {}
        self.unacked: dict[bytes, bytes] = {}
        self.times: dict[bytes, float] = {}
        self.bindings: dict[str, set[bytes]] = {}
        self.moved: Any = 1
        """What the script answers."""
        self.answers |= {
            "eval": self._eval,
            "lrange": lambda key, start, last: self.lists.get(key, [])[start : last + 1],
            "lrem": self._lrem,
            "hkeys": lambda _key: list(self.unacked),
            "hstrlen": lambda _key, field: len(self.unacked.get(field, b"")),
            "hmget": lambda _key, fields: [self.unacked.get(field) for field in fields],
            "smembers": lambda key: self.bindings.get(key, set()),
            "zrangebyscore": self._oldest,
        }

    @property
    def moves(self) -> list[tuple[list[str], str, dict[str, Any], float]]:
        """Return for each move its lists, its tag, its message and the latest time that counts."""
        moves = [given[2:] for given in self.given("eval") if given[0] == message_mover._MOVE]
        return [(list(keys), tag, json.loads(text), before) for _, _, *keys, tag, text, before in moves]

    def _eval(self, script: str, *_: object) -> Any:
        return self.moved if script == message_mover._MOVE else NoPermissionError("no eval")

    def _lrem(self, *given: Any) -> int:
        key, count, found = given
        assert count == 1
        if found not in self.lists.get(key, []):
            return 0
        self.lists[key].remove(found)
        return 1

    def _oldest(self, *given: Any, start: int, num: int, withscores: bool) -> Any:
        assert (given[1], start, withscores) == ("-inf", 0, True)
        high = given[2]
        return sorted((each for each in self.times.items() if each[1] <= high), key=lambda each: each[1])[:num]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(message_mover, "redis_client", lambda _url: server)
    return server


@pytest.fixture
def layout() -> Layout:
    """A stock worker reads each queue."""
    return Layout(BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS))


@pytest.fixture
def mover(server: Server, layout: Layout) -> MessageMover:
    return MessageMover("redis://h/0", layout)


async def test_a_waiting_task_is_taken_out_wherever_in_its_queue_it_lies(server: Server, mover: MessageMover) -> None:
    mine, other = json.dumps(message("mine")).encode(), json.dumps(message("other")).encode()
    server.lists = {"mail": [other, mine], "mail\x06\x169": [mine, other], "news": [mine]}
    assert await mover.withdraw("mine", "mail")
    assert server.lists == {"mail": [other], "mail\x06\x169": [other], "news": [mine]}


async def test_a_message_that_only_speaks_of_the_task_stays(server: Server, mover: MessageMover) -> None:
    speaks = json.dumps({"body": "", "headers": {"id": "other", "parent_id": "mine"}, "properties": {}}).encode()
    begins = json.dumps(message("mine-too")).encode()
    server.lists = {"mail": [speaks, begins, b"mine"]}
    assert not await mover.withdraw("mine", "mail")
    assert server.lists == {"mail": [speaks, begins, b"mine"]}


@pytest.mark.parametrize(
    "task_id", ["n\N{LATIN SMALL LETTER O WITH DIAERESIS}", 'say "x"', "a\\b", "\N{GRINNING FACE}"]
)
@pytest.mark.parametrize("ascii_only", [True, False])
async def test_an_id_that_json_writes_in_another_way_is_found(
    task_id: str, ascii_only: bool, server: Server, mover: MessageMover
) -> None:
    server.lists = {"mail": [json.dumps(message(task_id), ensure_ascii=ascii_only).encode()]}
    assert await mover.withdraw(task_id, "mail")
    assert server.lists == {"mail": []}


async def test_a_task_is_not_withdrawn_while_a_consumer_holds_another_message_of_it(
    server: Server, mover: MessageMover
) -> None:
    server.lists = {"mail": [json.dumps(message("mine")).encode()]}
    server.unacked = {b"1": entry("mine")}
    assert not await mover.withdraw("mine", "mail")
    assert server.lists == {"mail": []}


async def test_what_was_taken_by_a_worker_in_between_is_not_withdrawn(server: Server, mover: MessageMover) -> None:
    server.lists = {"mail": [json.dumps(message("mine")).encode()]}
    server.answers["lrem"] = 0
    assert not await mover.withdraw("mine", "mail")


async def test_only_the_newest_of_a_long_queue_are_looked_at(
    server: Server, mover: MessageMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_mover, "MOST_LOOKED_AT", 2)
    texts = {name: json.dumps(message(name)).encode() for name in ("first", "second", "third")}
    server.lists = {"mail": list(texts.values())}
    assert not await mover.withdraw("third", "mail")
    assert await mover.withdraw("second", "mail")


async def test_what_is_put_back_goes_into_the_list_of_its_priority_first_in_line(
    server: Server, mover: MessageMover
) -> None:
    server.unacked = {b"tag": entry("mine", priority=7), b"else": entry("other")}
    assert await mover.put_back(["mine"]) == {"mine"}
    ((lists, tag, text, before),) = server.moves
    assert (lists, tag, before) == (["mail\x06\x166"], "tag", EVER)
    assert text["headers"]["redelivered"] is True
    assert text["properties"]["delivery_info"]["redelivered"] is True
    (given,) = [given for given in server.given("eval") if given[0] == message_mover._MOVE]
    assert given[2:4] == (LEDGER.unacked, LEDGER.index)


@pytest.mark.parametrize(
    ("priority", "name"),
    [
        (None, "mail"),
        ("9", "mail"),
        ([], "mail"),
        (2.5, "mail"),
        (-5, "mail"),
        (0, "mail"),
        (2, "mail"),
        (3, "mail\x06\x163"),
        (9, "mail\x06\x169"),
        (10, "mail\x06\x169"),
        (10**30, "mail\x06\x169"),
    ],
)
async def test_whatever_priority_anybody_wrote_the_list_is_one_that_is_read(
    priority: Any, name: str, server: Server, mover: MessageMover
) -> None:
    server.unacked = {b"tag": entry("mine", priority=priority)}
    assert await mover.put_back(["mine"]) == {"mine"}
    assert server.moves[0][0] == [name]


async def test_the_oldest_task_is_put_back_last_and_so_is_first_in_line(server: Server, mover: MessageMover) -> None:
    server.unacked = {b"2": entry("task-2"), b"3": entry("task-3"), b"1": entry("task-1")}
    await mover.put_back(["task-1", "task-2", "task-3"])
    assert [text["headers"]["id"] for _, _, text, _ in server.moves] == ["task-3", "task-2", "task-1"]


async def test_a_message_of_an_exchange_goes_back_to_each_queue_that_the_key_leads_to(
    server: Server, mover: MessageMover
) -> None:
    server.bindings[BINDING + "shop"] = {
        b"paid\x06\x16\x06\x16mail",
        b"paid\x06\x16\x06\x16books",
        b"lost\x06\x16\x06\x16bin",
    }
    server.unacked = {b"tag": entry("mine", exchange="shop", key="paid")}
    assert await mover.put_back(["mine"]) == {"mine"}
    assert sorted(server.moves[0][0]) == ["books", "mail"]


@pytest.mark.parametrize("members", [set(), {b"other\x06\x16\x06\x16mail"}, {b"\xff"}, OTHER_KIND])
async def test_what_leads_to_no_queue_stays_where_it_is(members: Any, server: Server, mover: MessageMover) -> None:
    server.answers["smembers"] = members
    server.unacked = {b"tag": entry("mine", exchange="shop", key="paid")}
    assert await mover.put_back(["mine"]) == frozenset()
    assert server.moves == []


async def test_any_other_refusal_of_the_bindings_is_an_unavailable_broker(server: Server, mover: MessageMover) -> None:
    server.answers["smembers"] = ResponseError("LOADING")
    server.unacked = {b"tag": entry("mine", exchange="shop", key="paid")}
    with pytest.raises(BrokerUnavailable):
        await mover.put_back(["mine"])
    assert server.moves == []


async def test_where_nobody_is_known_to_read_the_message_is_left_to_the_broker_and_that_is_told(server: Server) -> None:
    mover = MessageMover("redis://h/0", Layout())
    server.unacked = {b"tag": entry("mine")}
    with capture_logs() as logs:
        assert await mover.put_back(["mine"]) == frozenset()
    assert server.moves == []
    assert logs == [{"event": "message_left_to_broker", "task_id": "mine", "log_level": "warning"}]


async def test_of_two_queues_both_must_be_read_else_the_message_stays(server: Server) -> None:
    layout = Layout()
    reads_mail = Consumer(
        "one", online=True, queues=frozenset({"mail"}), options=BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS)
    )
    layout.learn(Consumers([reads_mail]))
    server.bindings[BINDING + "shop"] = {b"paid\x06\x16\x06\x16mail", b"paid\x06\x16\x06\x16books"}
    server.unacked = {b"tag": entry("mine", exchange="shop", key="paid")}
    assert await MessageMover("redis://h/0", layout).put_back(["mine"]) == frozenset()
    assert server.moves == []


async def test_the_keys_that_are_written_have_the_prefix(server: Server) -> None:
    options = BrokerOptions(priority_steps=STOCK_PRIORITY_STEPS, global_keyprefix="shop:")
    server.unacked = {b"tag": entry("mine", priority=3)}
    assert await MessageMover("redis://h/0", Layout(options)).put_back(["mine"]) == {"mine"}
    (given,) = [given for given in server.given("eval") if given[0] == message_mover._MOVE]
    assert given[1:5] == (3, "shop:unacked", "shop:unacked_index", "shop:mail\x06\x163")


@pytest.mark.parametrize(("answer", "told"), [(0, []), (-1, ["message_not_moved"])])
async def test_what_the_server_did_not_move_was_not_put_back(
    answer: int, told: list[str], server: Server, mover: MessageMover
) -> None:
    server.moved = answer
    server.unacked = {b"tag": entry("mine")}
    with capture_logs() as logs:
        assert await mover.put_back(["mine"]) == frozenset()
    assert [line["event"] for line in logs] == told


async def test_what_is_discarded_is_put_nowhere_and_nobody_is_asked_who_reads_it(server: Server) -> None:
    server.unacked = {b"tag": entry("mine", exchange="shop", key="paid")}
    assert await MessageMover("redis://h/0", Layout()).discard(["mine"]) == {"mine"}
    assert server.moves[0][0] == []
    assert "smembers" not in server.names()


@pytest.mark.parametrize("method", ["put_back", "discard"])
async def test_of_no_tasks_nobody_is_asked(method: str, server: Server, mover: MessageMover) -> None:
    assert await getattr(mover, method)([]) == frozenset()
    assert server.commands == []


@pytest.mark.parametrize(
    "beside",
    [
        b"",
        b"null",
        b"no message",
        b"\x80\x04\x95",
        b'["mine", "mine", "mine"]',
        b'[{"headers": {"id": "mine"}, "properties": []}, "", "mail"]',
        b'[{"headers": {"id": "mine"}, "properties": {"delivery_info": 7}}, "", "mail"]',
        b'[{"headers": {"id": "mine"}, "properties": {"delivery_info": null}}, "", "mail"]',
        b'{"headers": {"id": "mine"}, "properties": {}, "body": ""}',
        b'[{"headers": {"id": "mine"}, "x": ' + b"[" * 5_000 + b"]" * 5_000 + b'}, "", "mail"]',
    ],
)
async def test_whatever_lies_in_the_ledger_the_message_beside_it_is_put_back(
    beside: bytes, server: Server, mover: MessageMover
) -> None:
    server.unacked = {b"beside": beside, b"tag": entry("mine")}
    assert await mover.put_back(["mine"]) == {"mine"}
    assert [tag for _, tag, _, _ in server.moves] == ["tag"]


async def test_a_tag_that_is_no_text_hides_no_other(server: Server, mover: MessageMover) -> None:
    server.unacked = {b"\xff": entry("mine"), b"tag": entry("mine")}
    assert await mover.put_back(["mine"]) == {"mine"}
    assert [tag for _, tag, _, _ in server.moves] == ["tag"]


async def test_a_message_without_properties_is_put_back_with_them(server: Server, mover: MessageMover) -> None:
    server.unacked = {b"tag": b'[{"headers": {"id": "mine"}}, "", "mail"]'}
    assert await mover.put_back(["mine"]) == {"mine"}
    assert server.moves[0][2]["properties"] == {"delivery_info": {"redelivered": True}}


async def test_what_has_been_held_longest_is_listed_first_with_the_time_of_its_fetch(
    server: Server, mover: MessageMover
) -> None:
    noon = NOON.timestamp()
    server.unacked = {b"a": entry("late"), b"b": entry("early"), b"c": entry("fresh")}
    server.times = {b"a": noon - 60, b"b": noon - 3_600, b"c": noon + 1}
    found = await mover.list_fetched(before=NOON, limit=10)
    assert [(each.task_id, each.tag) for each in found] == [("early", "b"), ("late", "a")]
    assert found[1].fetched_at == datetime(2026, 3, 1, 11, 59, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [float("-inf"), -1e300, -1.0, 0.0])
async def test_a_time_that_nobody_can_have_meant_is_the_beginning_of_time(
    seconds: float, server: Server, mover: MessageMover
) -> None:
    server.unacked, server.times = {b"a": entry("mine")}, {b"a": seconds}
    (found,) = await mover.list_fetched(before=NOON, limit=10)
    assert found.fetched_at == datetime(1970, 1, 1, tzinfo=UTC)


async def test_no_more_is_listed_than_was_asked_for_over_all_ledgers(server: Server) -> None:
    layout = Layout(BrokerOptions(unacked_key="mine", unacked_index_key="mine_index"))
    layout.learn(Consumers([Consumer("one", online=True, queues=frozenset(), options=BrokerOptions())]))
    mover = MessageMover("redis://h/0", layout)
    server.unacked = {b"%d" % number: entry(str(number)) for number in range(3)}
    server.times = dict.fromkeys(server.unacked, 1.0)
    assert len(layout.ledgers) == 2
    for limit, listed, looks in ((0, 0, 0), (2, 2, 1), (3, 3, 1), (4, 4, 2)):
        server.commands.clear()
        assert len(await mover.list_fetched(before=NOON, limit=limit)) == listed
        assert len(server.given("zrangebyscore")) == looks


async def test_a_time_without_its_message_is_passed_over(server: Server, mover: MessageMover) -> None:
    """The worker has acknowledged it between two looks."""
    server.times = {b"gone": 1.0, b"a": 2.0}
    server.unacked = {b"a": entry("mine")}
    assert [each.task_id for each in await mover.list_fetched(before=NOON, limit=10)] == ["mine"]


async def test_what_is_more_than_memory_is_meant_for_is_left_for_the_next_look(
    server: Server, mover: MessageMover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_mover, "MOST_FETCHED_BYTES", 1)
    monkeypatch.setattr("gateway.portions.MOST_BYTES", 1)
    server.unacked = {b"a": entry("first"), b"b": entry("second")}
    server.times = {b"a": 1.0, b"b": 2.0}
    assert [each.task_id for each in await mover.list_fetched(before=NOON, limit=10)] == ["first"]


async def test_what_was_listed_is_put_back_only_if_it_was_not_fetched_again(
    server: Server, mover: MessageMover
) -> None:
    server.unacked, server.times = {b"a": entry("mine")}, {b"a": 5.0}
    listed = await mover.list_fetched(before=NOON, limit=10)
    assert await mover.put_back_fetched(listed, before=NOON) == {"mine"}
    ((_, tag, _, before),) = server.moves
    assert (tag, before) == ("a", NOON.timestamp()), "the server compares it with the time of the latest fetch"


@pytest.mark.parametrize(
    ("exchange", "key", "queue"),
    [("", "mail", "mail"), ("mail", "mail", "mail"), ("shop", "mail", None), ("shop", "", None)],
)
def test_the_queue_of_a_fetched_message_is_known_only_where_its_exchange_leads_to_one(
    exchange: str, key: str, queue: str | None
) -> None:
    assert FetchedMessage("t", "tag", {}, exchange, key, LEDGER).queue_name == queue


@pytest.mark.parametrize("error", [RedisConnectionError("refused"), OSError("no route"), ResponseError("LOADING")])
async def test_a_server_that_is_away_is_an_unavailable_broker_to_every_order(
    error: Exception, server: Server, mover: MessageMover
) -> None:
    fetched = FetchedMessage("t", "tag", message("t"), "", "mail", LEDGER)
    server.answers |= dict.fromkeys(("eval", "hkeys", "zrangebyscore"), error)
    orders = (
        mover.withdraw("t", "mail"),
        mover.put_back(["t"]),
        mover.discard(["t"]),
        mover.list_fetched(before=NOON, limit=1),
        mover.put_back_fetched([fetched], before=NOON),
    )
    for order in orders:
        with pytest.raises(BrokerUnavailable) as refusal:
            await order
        assert refusal.value.__cause__ is error


async def test_on_rabbitmq_nothing_is_ever_found() -> None:
    mover = MessageMover("amqp://h//")
    assert await mover.withdraw("t", "mail") is False
    assert await mover.put_back(["t"]) == await mover.discard(["t"]) == frozenset()
    assert await mover.list_fetched(before=NOON, limit=5) == []
    await mover.close()


async def test_a_mover_closes_its_client(server: Server, mover: MessageMover) -> None:
    await mover.close()
    assert server.closed == 1
