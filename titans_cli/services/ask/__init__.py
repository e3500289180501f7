"""Answering a question from memory."""
