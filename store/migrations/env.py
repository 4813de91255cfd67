"""Alembic's entry: runs the versions on the connection that `store/migrate.py` hands over."""

from alembic import context

from store.tables.base import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # An index that is built beside running work needs to be outside of any transaction.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
