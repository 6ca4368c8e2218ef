"""Results as documents: a neutral tree of blocks, a printer for each format, and the common base of results."""
