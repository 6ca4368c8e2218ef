"""What is said of a probe and of an ablation."""
