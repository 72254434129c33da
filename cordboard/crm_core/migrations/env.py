"""What Alembic runs: `upgrade` hands over a connection in a transaction of its own."""

from alembic import context

from cordboard.crm_core.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table only by copying it
)
context.run_migrations()
