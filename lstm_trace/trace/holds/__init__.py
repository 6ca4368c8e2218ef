"""What is held in a run: the addresses and values that a user gives, as arrays, and back in words."""
