"""docs/scaling.md says of every table whether Citus would distribute it, and the keys of those allow it."""

import re
from pathlib import Path

import psycopg

PAGE = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text().partition("\n## Citus\n")[2]
KINDS = dict(re.findall(r"^\| `(\w+)` \| (distributed|reference|local) \|", PAGE, re.MULTILINE))
DISTRIBUTED = sorted(name for name, kind in KINDS.items() if kind == "distributed")

TABLES = """
select relname from pg_class
where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace
"""
UNIQUE_INDEXES = """
select indrelid::regclass::text, array_agg(attname::text), indisprimary
from pg_index join pg_attribute on attrelid = indrelid and attnum = any (indkey)
where indisunique and indrelid::regclass::text = any (%s)
group by indexrelid
"""
TYPES = """
select attrelid::regclass::text, atttypid::regtype::text
from pg_attribute where attname = 'task_id' and attrelid::regclass::text = any (%s)
"""


def test_every_table_stands_in_the_page(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert {name for (name,) in connection.execute(TABLES)} == KINDS.keys()


def test_every_unique_index_of_a_distributed_table_holds_the_task_id(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        indexes = connection.execute(UNIQUE_INDEXES, [DISTRIBUTED]).fetchall()
    assert [(table, columns) for table, columns, _ in indexes if "task_id" not in columns] == []
    assert sorted(table for table, _, is_primary in indexes if is_primary) == DISTRIBUTED


def test_tables_on_one_shard_have_ids_of_one_type(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert dict(connection.execute(TYPES, [DISTRIBUTED]).fetchall()) == dict.fromkeys(DISTRIBUTED, "text")


def test_the_statements_distribute_these_tables() -> None:
    assert sorted(re.findall(r"create_distributed_table\('(\w+)', 'task_id'", PAGE)) == DISTRIBUTED
