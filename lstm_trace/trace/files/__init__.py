"""A record in a file: JSON for small traces, .safetensors for large ones, and values that another program printed."""
