"""The library: a table of items, in SQLite or PostgreSQL, and a folder that holds their files."""
