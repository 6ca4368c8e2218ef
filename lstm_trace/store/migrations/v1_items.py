"""The store's id, items and their tags."""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    store = op.create_table("lstm_trace_store", sa.Column("id", sa.String(36), primary_key=True))
    op.bulk_insert(store, [{"id": str(uuid4())}])
    op.create_table(
        "lstm_trace_items",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("cell", sa.Text, nullable=False),
        sa.Column("sizes", sa.JSON, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("suffix", sa.String(16), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
    )
    op.create_index("lstm_trace_items_newest", "lstm_trace_items", ["created", "id"])
    op.create_index("lstm_trace_items_kind", "lstm_trace_items", ["kind", "created", "id"])
    op.create_index("lstm_trace_items_sha256", "lstm_trace_items", ["sha256"])
    op.create_table(
        "lstm_trace_tags",
        sa.Column("item", sa.String(36), sa.ForeignKey("lstm_trace_items.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tag", sa.String(40), primary_key=True),
    )
    op.create_index("lstm_trace_tags_tag", "lstm_trace_tags", ["tag", "item"])
