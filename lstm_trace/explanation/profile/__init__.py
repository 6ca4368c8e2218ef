"""The profile of a trained model: what its units, steps and layers did, in numbers."""
