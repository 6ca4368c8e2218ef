"""The kinds of pictures, one file each, with a function from a trace to a `Figure`; `plot.table` lists them."""
