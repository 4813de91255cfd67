"""Apps as people write them, read by the reader in a process of its own."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from cli.beside.app import interpreter_of, read_app
from cli.errors import CliError

PLAIN = """
    import ssl
    from celery import Celery

    print("printed when it is imported")
    app = Celery("shop", broker="redis://:p%40ss@broker.example:6379/3", backend="redis")
    app.conf.update(
        redis_host="results.example",
        redis_password="a/b",
        task_default_queue="shop.orders",
        broker_transport_options={"sep": ":", "priority_steps": range(5), "on_connect": print},
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/etc/ca.pem"},
    )
"""
FACTORY = """
    from celery import Celery

    class Flask:
        def __init__(self):
            self.extensions = {"celery": Celery("made", broker="amqp://", set_as_current=False)}

    def create_celery():
        return Flask().extensions["celery"]

    def create_app():
        return Flask()

    def create_nothing():
        return object()
"""
SETTINGS = """
    BROKER_HOST = "old.example"
    BROKER_PORT = 5673
    BROKER_USER = "shop"
    BROKER_PASSWORD = "p@ss"
    BROKER_VHOST = "/shop"
    CELERY_DEFAULT_QUEUE = "old"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return tmp_path


def write(folder: Path, **modules: str) -> None:
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(dedent(source))


def test_what_an_app_says_is_read_whole_beside_our_package_of_its_name(project: Path) -> None:
    write(project, tasks=PLAIN)
    facts = read_app("tasks", sys.executable)
    assert (facts.name, facts.broker_url) == ("shop", "redis://:p%40ss@broker.example:6379/3")
    assert facts.result_backend == "redis://:a%2Fb@results.example:6379/0"
    assert facts.options["task_default_queue"] == "shop.orders"
    assert facts.dictionary("broker_transport_options") == {"sep": ":", "priority_steps": [0, 1, 2, 3, 4]}
    assert facts.left_out == ["broker_transport_options.on_connect"]
    assert facts.dictionary("broker_use_ssl")["ssl_cert_reqs"] == "CERT_REQUIRED"
    assert [(queue.name, queue.type) for queue in facts.queues] == [("shop.orders", "direct")]
    assert "p%40ss" not in repr(facts)


def test_a_package_with_celery_py_and_old_settings_is_taken(project: Path) -> None:
    (project / "proj").mkdir()
    write(project / "proj", __init__="", settings=SETTINGS, celery="""
        from celery import Celery

        app = Celery("proj")
        app.config_from_object("proj.settings")
    """)  # fmt: skip
    facts = read_app("proj", sys.executable)
    assert (facts.name, facts.options["task_default_queue"]) == ("proj", "old")
    assert facts.broker_url == "amqp://shop:p%40ss@old.example:5673//shop"


@pytest.mark.parametrize("name", ["factory:create_celery", "factory:create_app", "factory:create_app()"])
def test_a_factory_is_called(project: Path, name: str) -> None:
    write(project, factory=FACTORY)
    facts = read_app(name, sys.executable)
    assert (facts.name, facts.is_made) == ("made", True)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere", "There is no module 'nowhere'"),
        ("api", "There is no module 'api'"),
        ("factory:nothing", "module 'factory' has no attribute 'nothing'"),
        ("factory:create_nothing", "it is of the type object"),
        ("factory", "names no Celery app"),
        ("needs", "ModuleNotFoundError: No module named 'not_installed' (needs.py:2). Name the app's own interpreter"),
        ("unset", "KeyError: 'SHOP_BROKER' (unset.py:4)"),
        ("fails", "cannot be imported by"),
        ("exits", "SystemExit (exits.py:3)"),
        ("dies", "ended its process"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence_without_secrets(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "hunter2hunter2")
    write(
        project,
        factory=FACTORY,
        needs="\nimport not_installed\n",
        unset="\nimport os\n\nos.environ['SHOP_BROKER']\n",
        fails="\nraise ValueError('redis://:hunter2hunter2@host')\n",
        exits="\nimport sys\nsys.exit('hunter2hunter2')\n",
        dies="\nimport os\nos._exit(3)\n",
    )
    with pytest.raises(CliError) as refused:
        read_app(name, sys.executable)
    assert sentence in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_app_that_waits_for_ever_is_ended(project: Path) -> None:
    write(project, waits="import time\nprint('x' * 100_000)\ntime.sleep(600)\n")
    with pytest.raises(CliError, match="was not imported within 1 s"):
        read_app("waits", sys.executable, limit_seconds=1)


def test_threads_that_an_app_has_started_keep_nobody_waiting(project: Path) -> None:
    write(
        project,
        threads=PLAIN + "\n    import threading, time\n    threading.Thread(target=time.sleep, args=[600]).start()\n",
    )
    assert read_app("threads", sys.executable).name == "shop"


def test_the_interpreter_is_the_one_named_or_that_of_the_active_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(project / "venv")], check=True)
    own = str(project / "venv" / "bin" / "python")
    assert interpreter_of(None) == sys.executable
    assert interpreter_of("venv/bin/python") == own
    with pytest.raises(CliError, match=r"There is no Celery in .*Perhaps --python venv/bin/python\?"):
        read_app("tasks", own)
    monkeypatch.setenv("VIRTUAL_ENV", str(project / "venv"))
    assert interpreter_of(None) == own
    with pytest.raises(CliError, match="There is no interpreter 'nowhere/python'"):
        interpreter_of("nowhere/python")
