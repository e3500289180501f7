"""Finds the memories that a question needs: sentence vectors, word filters and the search over them."""
