"""The steps from an empty database to the tables of today, one file each; alembic runs those that are missing.

A step is never edited once it is released: a database that has run it would not get the change.
"""
