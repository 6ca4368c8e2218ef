"""Mathematics on paper: formulas as trees, numbers as displayed, and a printer for each format."""
