"""The encoder: its parts, and sentence vectors with the shipped weights."""

import torch

from model import encode_sentences, load_encoder
from model.bert import attention, stack


def test_sentence_vectors_are_unit_vectors_and_a_sentence_without_words_is_zero():
    sentences = encode_sentences(load_encoder(torch.device("cpu")), ["Uranium is a metal.", " \n", "Cotton grows on a shrub."], [1, 1, 1])
    vectors = torch.from_numpy(sentences.vectors).float() * torch.from_numpy(sentences.scales).float()[:, None]
    torch.testing.assert_close(vectors.norm(dim=1), torch.tensor([1.0, 0.0, 1.0]), atol=0.02, rtol=0)
    assert (sentences.words.any(1) == [True, False, True]).all()
    assert sum(array.nbytes for array in vars(sentences).values()) / len(sentences) <= 256


def test_attention_is_that_of_the_library():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 9, 8)
    mask = torch.tensor([[True] * 9, [True] * 5 + [False] * 4])[:, None, None, :]
    torch.testing.assert_close(attention(q, k, v, mask), torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask))


def test_stack_pads():
    assert stack([[1, 2], [3]], 0).tolist() == [[1, 2], [3, 0]]
