"""Mathematics on paper: formulas as trees, numbers as they are shown, and a printer for each format."""
