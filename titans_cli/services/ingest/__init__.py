"""Memorizing files and notes."""
