"""One file for each command, called like it: arguments in, service, view out.

What loads torch is imported inside the command: its help and its usage errors need none.
"""
