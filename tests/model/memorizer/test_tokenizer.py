from hypothesis import given, settings
from hypothesis import strategies as st

from model.memorizer.tokenizer import VOCABULARY, load_tokenizer


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_every_string_survives(text):
    tokenizer = load_tokenizer()
    tokens = tokenizer.encode_ordinary(text)
    assert tokenizer.decode_bytes(tokens) == text.encode()
    assert all(0 <= token < VOCABULARY for token in tokens)


def test_every_byte_is_a_token():
    tokenizer = load_tokenizer()
    assert {tokenizer.decode_single_token_bytes(tokenizer.encode_single_token(bytes([b]))) for b in range(256)} == {
        bytes([b]) for b in range(256)
    }
    assert tokenizer.n_vocab == VOCABULARY


def test_digits_are_grouped_by_at_most_three():
    tokenizer = load_tokenizer()
    assert all(len(tokenizer.decode([token])) <= 3 for token in tokenizer.encode_ordinary("31415926535897932384"))
