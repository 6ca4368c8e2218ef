"""The steps that bring a database to the tables of today. Apart from the rest, since alembic takes long to import."""

from __future__ import annotations

from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from .database import VERSIONS
from .files import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection, name: str) -> None:
    """Run the steps that the database has not run. Raises StoreError where it has run some that we do not know."""
    script = ScriptDirectory(MIGRATIONS, version_locations=[MIGRATIONS])
    known = {step.revision for step in script.walk_revisions()}

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> list[MigrationStep]:
        left = list(script.iterate_revisions("head", heads or "base"))
        return [MigrationStep.upgrade_from_script(script.revision_map, step) for step in reversed(left)]

    context = MigrationContext.configure(connection, opts={"version_table": VERSIONS, "fn": steps})
    if unknown := set(context.get_current_heads()) - known:
        raise StoreError(
            f"{name}: a newer version of lstm-trace wrote this store (version {', '.join(sorted(unknown))}; this one "
            f"knows up to {script.get_current_head()}); update lstm-trace, or name another store"
        )
    with Operations.context(context):
        context.run_migrations()
