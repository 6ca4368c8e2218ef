"""Text: how wide it is, how labels from files are shown, what may stand in HTML, and how much of it is printed."""
