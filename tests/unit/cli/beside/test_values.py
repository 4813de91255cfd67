"""What an app says becomes our settings, unless somebody has set them for us."""

import pytest

from cli.beside.values import beside, with_tls
from cli.errors import CliError
from tests.unit.cli.beside.apps import facts


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELERIAC_BROKER_URL", "CELERIAC_WORKERS", "CELERIAC_RESULT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_the_app_names_broker_results_queue_and_options() -> None:
    options = {"global_keyprefix": "shop:", "sep": ":"}
    found = beside(
        facts(
            options={"task_default_queue": "orders"},
            dictionaries={"broker_transport_options": options, "result_backend_transport_options": {"db": 4}},
        )
    ).settings
    assert (found.broker_url, found.result_url) == (facts().broker_url, facts().result_backend)
    assert (found.default_queue, found.workers, found.flower_port, found.task_serializer) == ("orders", 0, 0, "json")
    assert found.broker_transport_options == {"priority_steps": [0, 3, 6, 9], **options}
    assert found.result_transport_options == {"db": 4}


def test_what_was_set_for_celeriac_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_BROKER_URL", "redis://other.example/1")
    monkeypatch.setenv("CELERIAC_WORKERS", "2")
    found = beside(facts(), flower_port=5555, port=None)
    assert (found.settings.broker_url, found.settings.workers, found.settings.flower_port) == (
        "redis://other.example/1",
        2,
        5555,
    )
    assert found.notes == ("CELERIAC_BROKER_URL stands in for the app's own.",)


@pytest.mark.parametrize(
    ("backend", "said", "is_passed_on"),
    [
        (None, "none", False),
        ("disabled://", "none", False),
        ("rpc://", "rpc:// cannot be read here", True),
        ("django-db", "cannot be read here", True),
        ("db+nosuch://u:s3cret@host/results", "cannot be read here", True),
        ("shop.backends.Ledger", "cannot be read here", False),
        ("shop.backends.Ledger://u:s3cret@host/1", "cannot be read here", False),
    ],
)
def test_results_that_cannot_be_read_are_named_and_stop_nothing(
    backend: str | None, said: str, is_passed_on: bool
) -> None:
    """Where our readers know the kind they are told of it: then they say of each task why there is no result."""
    found = beside(facts(result_backend=backend))
    assert found.settings.result_url == (backend if is_passed_on else None)
    assert said in found.results
    assert "events tell how tasks end" in found.results
    assert "s3cret" not in found.results


def test_a_broker_of_another_kind_is_refused_in_a_sentence_without_its_password() -> None:
    with pytest.raises(CliError, match="sqs") as refused:
        beside(facts(broker_url="sqs://key:s3cret@"))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("accepted", "serializer", "noted"),
    [
        (["application/json", "pickle"], "json", False),
        (["pickle"], "pickle", True),
        (["application/x-python-serialize", "yaml"], "pickle", True),
        (["models-json"], "json", True),
    ],
)
def test_submissions_are_written_as_the_workers_take_them(accepted: list[str], serializer: str, noted: bool) -> None:
    found = beside(facts(options={"accept_content": accepted}))
    assert found.settings.task_serializer == serializer
    assert any("accept_content" in note for note in found.notes) is noted


def test_what_nothing_here_can_follow_is_noted() -> None:
    told = facts(
        options={"event_exchange": "ours"}, left_out=["broker_transport_options.hook"], broker_url="redis://a;redis://b"
    )
    notes = " ".join(beside(told).notes)
    for word in ("'ours'", "broker_transport_options.hook", "2 addresses"):
        assert word in notes


@pytest.mark.parametrize(
    ("url", "use_ssl", "secure"),
    [
        ("redis://host/0", None, "redis://host/0"),
        ("redis://host/0", True, "rediss://host/0"),
        (
            "redis://host:1/0",
            {"ssl_cert_reqs": "CERT_REQUIRED", "ssl_ca_certs": "/ca.pem"},
            "rediss://host:1/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/ca.pem",
        ),
        ("amqp://host//", {"ca_certs": "/ca.pem", "keyfile": None}, "amqps://host//?ssl_ca_certs=/ca.pem"),
        (
            "rediss://host/0?ssl_cert_reqs=none",
            {"ssl_cert_reqs": "CERT_NONE"},
            "rediss://host/0?ssl_cert_reqs=CERT_NONE",
        ),
    ],
)
def test_what_use_ssl_says_goes_into_the_url(url: str, use_ssl: dict[str, str] | bool | None, secure: str) -> None:
    assert with_tls(url, use_ssl) == secure
