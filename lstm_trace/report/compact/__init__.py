"""Gates and states worked out in one chain each, with matrices filled in: the detail `compact`."""
