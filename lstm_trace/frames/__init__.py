"""A trace as columns, defined once: for pandas, Arrow, xarray, and the file writers."""
