"""The profile of a trained model as blocks: what it is, what its gates and units did, and how to look closer."""
