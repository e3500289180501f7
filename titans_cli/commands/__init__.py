"""One module per command, with the command's name: parses arguments, calls a service, shows the result with a view.

What loads torch is imported inside the command: its help and its usage errors need none.
"""
