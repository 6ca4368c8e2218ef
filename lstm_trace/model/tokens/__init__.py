"""What the steps are called: labels that a user gives, checked against the steps and rows of a run or a trace."""
