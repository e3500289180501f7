"""The memorizer: a Titans language model that writes a segment into a memory and recites it."""
