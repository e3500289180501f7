"""One thin file for each command: arguments in, use case, rendering out."""
