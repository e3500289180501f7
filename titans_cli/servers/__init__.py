"""Servers that let other programs use the memory. They print nothing: what people should see they hand to the command."""
