"""kombu's transport options, as far as they say where a message lies."""

import pytest

from domain.broker_options import BrokerOptions


def test_what_is_not_said_is_as_kombu_has_it_but_for_the_steps() -> None:
    assert BrokerOptions.from_transport_options({"visibility_timeout": 60}) == BrokerOptions()
    assert BrokerOptions().priority_steps is None


def test_an_app_may_name_them_all() -> None:
    told = BrokerOptions.from_transport_options(
        {
            "sep": ":",
            "priority_steps": [9, 0, 4],
            "global_keyprefix": "shop:",
            "unacked_key": "mine",
            "unacked_index_key": "mine_index",
            "unacked_mutex_key": "mine_mutex",
            "fanout_prefix": "bcast.{db}.",
            "fanout_patterns": False,
        }
    )
    assert told == BrokerOptions(
        ":", (0, 4, 9), "shop:", "mine", "mine_index", "mine_mutex", "bcast.{db}.", fanout_patterns=False
    )


@pytest.mark.parametrize(("told", "prefix"), [(True, "/{db}."), (False, ""), (None, ""), ("x", "x")])
def test_the_prefix_of_broadcasts_may_be_on_or_off_or_a_text(told: object, prefix: str) -> None:
    assert BrokerOptions.from_transport_options({"fanout_prefix": told}).fanout_prefix == prefix


@pytest.mark.parametrize(
    "told",
    [
        {"sep": ""},
        {"sep": 1},
        {"global_keyprefix": None},
        {"unacked_key": "x" * 256},
        {"priority_steps": []},
        {"priority_steps": "0,3"},
        {"priority_steps": [0, True]},
        {"priority_steps": [-1]},
        {"priority_steps": [0] * 257},
        {"fanout_prefix": ["s3cret"]},
        {"fanout_patterns": "s3cret"},
    ],
)
def test_a_wrong_one_is_named_without_its_value(told: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(told))} must be ") as raised:
        BrokerOptions.from_transport_options(told)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "channel"),
    [
        (BrokerOptions(), "/3.celeryev"),
        (BrokerOptions(global_keyprefix="shop:"), "shop:/3.celeryev"),
        (BrokerOptions(fanout_prefix=""), "celeryev"),
        (BrokerOptions(fanout_prefix="bcast-{db}-{db}."), "bcast-3-3.celeryev"),
    ],
)
def test_a_broadcast_has_a_channel_for_each_database_and_prefix(options: BrokerOptions, channel: str) -> None:
    assert options.fanout_channel("celeryev", 3) == options.fanout_channel("celeryev", "3") == channel
