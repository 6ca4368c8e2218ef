"""What a worker process does for the service: plain functions of paths and plain values that return bytes or a path."""
