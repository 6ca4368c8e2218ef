"""The paths of the API, one router for each part; computations are sent to a worker process."""
