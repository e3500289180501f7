"""Answers that a language model writes from recited quotes."""
