"""Results as documents: a neutral tree of blocks, a printer for each format, and what every result has in common."""
