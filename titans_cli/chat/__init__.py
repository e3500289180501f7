"""The interactive session ``titans chat``."""
