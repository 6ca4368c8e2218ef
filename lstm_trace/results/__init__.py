"""Results as documents: a file for each says it as blocks, rows, a picture and facts."""
