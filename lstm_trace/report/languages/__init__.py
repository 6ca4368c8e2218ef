"""Every heading and sentence of a report, in five languages."""
