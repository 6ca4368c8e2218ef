"""What is shown of units, a probe and an ablation."""
