"""What is said of the states of a corpus: plain functions of a folder and plain values that return JSON."""
