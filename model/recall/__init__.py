"""Which memories a question needs: sentence vectors, filters of words, and the search over them."""
