"""Pages that compute in the browser: one file each, which needs neither a server nor a network."""
