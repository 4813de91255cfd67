"""A Django project as Celery's documentation lays it out, by `celeriac up -A shop`, in an environment of its own."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.acceptance.stack import Stack, running
from tests.embedded import valkey
from tests.fleets.environments import make_environment
from tests.fleets.fleet import LEDGER

PROJECT = {
    "shop/__init__.py": "from shop.celery import app as celery_app",
    "shop/celery.py": """
        import os

        from celery import Celery

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        app = Celery("shop")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()
        """,
    "shop/settings.py": """
        import os

        SECRET_KEY = "not of this world"
        INSTALLED_APPS = ["django.contrib.contenttypes", "orders"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SHOP_DATABASE"]}}
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        CELERY_BROKER_URL = os.environ["BROKER"]
        CELERY_RESULT_BACKEND = os.environ["BACKEND"]
        CELERY_TASK_DEFAULT_QUEUE = "orders"
        CELERY_TASK_ALWAYS_EAGER = False
        """,
    "orders/__init__.py": "",
    "orders/tasks.py": """
        import ledger
        from celery import shared_task
        from django.contrib.contenttypes.models import ContentType


        @shared_task
        def count(word):
            ledger.note(f"count {word}")
            return [word, ContentType._meta.label]
        """,
    "ledger.py": LEDGER,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, source in PROJECT.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source))
    return tmp_path / "project"


@pytest.fixture
def stack(folder: Path, tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "valkey").mkdir()
    with valkey(tmp_path / "valkey") as url:
        environment: dict[str, Any] = {
            "BROKER": f"{url}/0",
            "BACKEND": f"{url}/1",
            "SHOP_DATABASE": str(tmp_path / "shop.sqlite"),
            "FLEET_LEDGER": str(tmp_path / "ledger"),
            "PYTHONPATH": str(folder),
        }
        options = ("-A", "shop", "--python", make_environment(tmp_path / "venv", "django"), "--worker")
        with running(
            tmp_path / "up", folder=folder, options=options, flower=False, from_nothing=False, **environment
        ) as stack:
            yield stack


def test_a_django_project_is_whole_by_one_command_and_says_itself_where_its_settings_are(
    stack: Stack, tmp_path: Path
) -> None:
    stack.read_until("celery -A shop worker -E -I celeriac_worker.auto\n")
    task = stack.wait_for_end(stack.submit("orders.tasks.count", "pears"))
    assert (task["status"], task["queue_name"]) == ("COMPLETED", "orders")
    assert task["result"] == ["pears", "contenttypes.ContentType"]
    assert (tmp_path / "ledger").read_text().count("count pears") == 1
