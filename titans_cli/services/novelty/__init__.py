"""How much of a document is new to the memory."""
