"""The reader: finds answers in recitations and computes how sure they are."""
