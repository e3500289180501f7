"""The reader: answers out of recitations, and how sure they are."""
