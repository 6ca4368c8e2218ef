"""What of a trace a report shows, neutral to section and format."""
