"""What a report shows of a trace, independent of section and format."""
