"""One module per command, which shows its result."""
