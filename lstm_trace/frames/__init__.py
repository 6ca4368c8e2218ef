"""A trace as columns, listed once: for pandas, Arrow, xarray, and the writers of files."""
