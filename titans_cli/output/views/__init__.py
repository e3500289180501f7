"""One module a command: how its result is shown."""
