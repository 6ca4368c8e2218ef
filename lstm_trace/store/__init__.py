"""The library: a table of items, in SQLite or PostgreSQL, beside a folder that holds their files."""
