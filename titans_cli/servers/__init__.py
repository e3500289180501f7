"""Servers for other programs. They print nothing; the command prints what they report."""
