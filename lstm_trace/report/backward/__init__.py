"""Back-propagation as a worked solution."""
