"""What is found from a sample of a corpus, in words and tables."""
