"""What the reader tells of an app, piece by piece, in this process; whole apps are read in test_app.py."""

import json
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery import Celery

from cli.beside import reader
from cli.beside.reader import LONGEST_TEXT, NoApp


def plain(value: object, name: str = "option") -> tuple[Any, list[str]]:
    left_out: list[str] = []
    return reader._plain(value, name, left_out=left_out), left_out


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("text", "text"),
        (b"by\xfftes", "by\ufffdtes"),
        (Path("/etc/ca.pem"), "/etc/ca.pem"),
        (ssl.CERT_REQUIRED, "CERT_REQUIRED"),
        ((1, "a"), [1, "a"]),
        (range(3), [0, 1, 2]),
        (frozenset({1}), [1]),
        ({1: {"a": b"b"}}, {"1": {"a": "b"}}),
        (ZoneInfo("Europe/Berlin"), "Europe/Berlin"),
    ],
)
def test_settings_become_what_json_can_say(value: object, told: object) -> None:
    found, left_out = plain(value)
    assert (found, left_out) == (told, [])
    json.dumps(found)


def test_of_code_only_the_place_is_told_and_the_rest_of_its_dictionary_stays() -> None:
    found, left_out = plain({"sep": ":", "hook": print, "inner": {"also": object(), "port": 1}}, "options")
    assert found == {"sep": ":", "inner": {"port": 1}}
    assert left_out == ["options.hook", "options.inner.also"]


def test_code_in_place_of_a_setting_is_as_if_it_were_unset() -> None:
    assert plain(print, "task_default_queue") == (None, ["task_default_queue"])


def test_a_time_zone_of_any_library_is_its_name() -> None:
    assert plain(SimpleNamespace(zone="x"), "timezone")[1] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:s3cret@host/0 refused", "redis://***@host/0 refused"),
        ("redis://u:p@ss@host and amqp://v:w@other", "redis://***@host and amqp://***@other"),
        ("two\n\tlines", "two lines"),
        ("the value hunter2hunter2 is odd", "the value *** is odd"),
        ("", ""),
    ],
)
def test_a_text_that_is_shown_is_one_line_without_secrets(
    monkeypatch: pytest.MonkeyPatch, text: str, shown: str
) -> None:
    monkeypatch.setenv("SHOP_DB_PASSWORD", "hunter2hunter2")
    assert reader._mask(text) == shown


def test_a_text_is_cut_off_after_it_was_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else half of a secret could stand at its end."""
    monkeypatch.setenv("SHOP_TOKEN", "s3cret" * 10)
    shown = reader._mask("x" * (LONGEST_TEXT - 6) + "s3cret" * 10)
    assert len(shown) <= LONGEST_TEXT
    assert "s3c" not in shown


def test_a_short_value_of_a_variable_does_not_mask_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "the")
    assert reader._mask("the name") == "the name"


class OwnSettings(Exception):
    """Its text may be anything."""


class ImproperlyConfigured(Exception):
    """Named like Django's."""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("SHOP_BROKER"), "'SHOP_BROKER'"),
        (ImportError("cannot import name 'x'"), "cannot import name 'x'"),
        (ImproperlyConfigured("Set DJANGO_SETTINGS_MODULE"), "Set DJANGO_SETTINGS_MODULE"),
        (OwnSettings("password is 1234"), ""),
        (ValueError("password is 1234"), ""),
        (SystemExit("password is 1234"), ""),
    ],
)
def test_only_errors_that_say_what_is_missing_are_quoted(error: BaseException, text: str) -> None:
    described = reader._described(error)
    assert (described["type"], described["text"], described["kind"]) == (type(error).__name__, text, "import")


def test_a_module_that_is_missing_is_named_apart() -> None:
    assert reader._described(ModuleNotFoundError("No module named 'x.y'", name="x.y"))["missing"] == "x.y"
    assert reader._described(ImportError("no", name="x"))["missing"] == ""


@pytest.mark.parametrize(
    ("conf", "url"),
    [
        ({"broker_url": "redis://u:p@h/1"}, "redis://u:p@h/1"),
        ({"broker_url": "redis://w/1", "broker_read_url": "redis://r/1"}, "redis://r/1"),
        ({"broker_url": ["amqp://one//", "amqp://two//"]}, "amqp://one//;amqp://two//"),
        ({"broker_url": ("sentinel://a", "sentinel://b")}, "sentinel://a;sentinel://b"),
        ({"broker_url": "sqs://key:secret@"}, "sqs://key:secret@"),
    ],
)
def test_the_broker_is_told_as_it_was_written(conf: dict[str, Any], url: str) -> None:
    app = Celery("shop", set_as_current=False)
    app.conf.update(conf)
    assert reader._broker_url(app) == url


@pytest.mark.parametrize(
    ("conf", "url"),
    [
        ({"result_backend": None}, None),
        ({"result_backend": ""}, None),
        ({"result_backend": "rpc://"}, "rpc://"),
        ({"result_backend": "redis"}, "redis://localhost:6379/0"),
        (
            {"result_backend": "redis", "redis_host": "h", "redis_port": 1, "redis_db": 2, "redis_password": "a@b"},
            "redis://:a%40b@h:1/2",
        ),
        ({"result_backend": "redis", "redis_password": ""}, "redis://localhost:6379/0"),
        ({"result_backend": OwnSettings}, f"<class '{__name__}.OwnSettings'>"),
    ],
)
def test_the_backend_is_told_as_it_was_written_or_of_its_parts(conf: dict[str, Any], url: str | None) -> None:
    assert reader._result_backend(SimpleNamespace(**conf)) == url


@pytest.mark.parametrize(
    ("queue", "told"),
    [
        (
            SimpleNamespace(name="a", exchange=SimpleNamespace(name="x", type="topic")),
            {"name": "a", "exchange": "x", "type": "topic"},
        ),
        (SimpleNamespace(name="a", exchange=None), {"name": "a", "exchange": "", "type": "direct"}),
    ],
)
def test_a_queue_without_an_exchange_is_one_of_the_default(queue: Any, told: dict[str, str]) -> None:
    assert reader._queue(queue) == told


class Finder:
    """Finds every module at one place."""

    def __init__(self, origin: str | None) -> None:
        self._origin = origin

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> Any:
        return SimpleNamespace(name=name, origin=self._origin)


@pytest.fixture
def found_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    def find(*origins: str | None, name: str = "tasks", path: Any = None) -> Any:
        without = reader._WithoutOurs(tmp_path, ["tasks", "settings"])
        monkeypatch.setattr(sys, "meta_path", [without, *map(Finder, origins)])
        return without.find_spec(name, path)

    return find


def test_a_module_of_ours_is_passed_over_for_the_apps_of_the_same_name(
    found_at: Callable[..., Any], tmp_path: Path
) -> None:
    theirs = "/srv/shop/tasks.py"
    for ours in (tmp_path / "tasks" / "__init__.py", tmp_path / "settings.py"):
        assert found_at(str(ours), theirs).origin == theirs


def test_where_only_ours_has_that_name_there_is_none(found_at: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    with pytest.raises(ModuleNotFoundError, match="No module named 'tasks'") as raised:
        found_at(str(tmp_path / "tasks" / "__init__.py"))
    assert raised.value.name == "tasks"


def test_a_link_to_ours_is_ours(found_at: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "tasks")
    with pytest.raises(ModuleNotFoundError):
        found_at(str(tmp_path / "link" / "__init__.py"))


def test_modules_of_other_names_and_inside_of_packages_are_nobodys_business(
    found_at: Callable[..., Any], tmp_path: Path
) -> None:
    ours = str(tmp_path / "tasks" / "__init__.py")
    assert found_at(ours, name="shop") is None
    assert found_at(ours, path=["/srv/shop"]) is None


def test_the_current_folder_is_looked_in_first_and_the_readers_own_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = str(Path(reader.__file__).parent)
    monkeypatch.setattr(sys, "path", [own, "/usr/lib"])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.chdir(tmp_path)
    reader._look_where_celery_does(tmp_path, ["tasks"])
    assert sys.path == [os.getcwd(), "/usr/lib"]
    assert len(sys.meta_path) == 1


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A module of somebody's, of the name `shop_of_a_test`."""
    made: Any = type(sys)("shop_of_a_test")
    monkeypatch.setitem(sys.modules, "shop_of_a_test", made)
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["shop_of_a_test:made", "shop_of_a_test:made()"])
@pytest.mark.parametrize("is_flask", [True, False])
def test_what_makes_an_app_is_called_once(module: SimpleNamespace, name: str, is_flask: bool) -> None:
    app = Celery("shop", set_as_current=False)
    calls: list[str] = []

    def make() -> object:
        calls.append("made")
        return SimpleNamespace(extensions={"celery": app}) if is_flask else app

    module.made = make
    assert reader.find(name) == (app, True)
    assert calls == ["made"]


def test_an_app_itself_is_not_made(module: SimpleNamespace) -> None:
    module.app = app = Celery("shop", set_as_current=False)
    assert reader.find("shop_of_a_test:app") == (app, False)
    module.flask = SimpleNamespace(extensions={"celery": app})
    assert reader.find("shop_of_a_test:flask") == (app, True)


@pytest.mark.parametrize(
    ("thing", "kind"),
    [(1, "int"), (object, "type"), (lambda: None, "NoneType"), (SimpleNamespace(extensions={}), "Sim")],
)
def test_what_is_no_app_is_named_by_its_type(module: SimpleNamespace, thing: object, kind: str) -> None:
    module.thing = thing
    with pytest.raises(NoApp, match=f"it is of the type {kind}"):
        reader.find("shop_of_a_test:thing")


def test_an_attribute_that_is_missing_inside_of_the_app_is_the_apps_own_error(module: SimpleNamespace) -> None:
    def make() -> object:
        return SimpleNamespace().nothing

    module.make = make
    with pytest.raises(AttributeError, match="nothing"):
        reader.find("shop_of_a_test:make")
    with pytest.raises(NoApp, match="absent"):
        reader.find("shop_of_a_test:absent")
