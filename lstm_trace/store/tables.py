"""The tables. Their names begin with ours, since a PostgreSQL database may have other users.

A change here needs a step in `migrations/`; a test compares what the steps make with these tables.
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()
#: Which steps of `migrations/` a database has run; not alembic's own name, which another user's tables may have.
VERSIONS = "lstm_trace_version"
#: The last step. A database that has run it is opened without alembic, whose import takes longer than all else here.
VERSION = "1"

#: One row, made with the tables: the folder of files has the same id in its file `.store`.
STORE = sa.Table("lstm_trace_store", METADATA, sa.Column("id", sa.String(36), primary_key=True))

#: created: UTC. words: what a search looks through, folded (`labels.folded`): the databases fold ASCII alone, or not.
ITEMS = sa.Table(
    "lstm_trace_items",
    METADATA,
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
    sa.Index("lstm_trace_items_newest", "created", "id"),
    sa.Index("lstm_trace_items_kind", "kind", "created", "id"),
    sa.Index("lstm_trace_items_sha256", "sha256"),
)

TAGS = sa.Table(
    "lstm_trace_tags",
    METADATA,
    sa.Column("item", sa.ForeignKey("lstm_trace_items.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag", sa.String(40), primary_key=True),
    sa.Index("lstm_trace_tags_tag", "tag", "item"),
)
