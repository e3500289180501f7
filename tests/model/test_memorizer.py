"""Writing and reciting with the shipped weights."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import model.memorizer
from model import MemorizeError, checksum, load_memorizer, load_tokenizer, memorize, recite
from model.config import MemorizerConfig, MemoryConfig
from model.errors import ModelError
from model.memory import dequantise
from model.writing import split

SAMPLE = Path(__file__).parents[2] / "titans_cli" / "samples" / "gettysburg-address.txt"


@pytest.fixture(scope="module")
def memorizer():
    return load_memorizer(torch.device("cpu"))


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer()


def round_trip(memorizer, tokenizer, segments: list[list[list[int]]]) -> bytes:
    memories = memorize(memorizer, tokenizer, segments)
    if not memories:
        return b""
    rows = recite(
        memorizer, torch.stack([m.weights for m in memories]), torch.stack([m.scales for m in memories]), [len(m.tokens) for m in memories]
    )
    assert [checksum(row) for row in rows] == [m.checksum for m in memories]
    return b"".join(tokenizer.decode_bytes(row) for row in rows)


def cut(tokens: list[int], longest: int) -> list[list[list[int]]]:
    return [[tokens[i : i + longest]] for i in range(0, len(tokens), longest)]


TEXTS = {
    "english": SAMPLE.read_text(),
    "numbers": "".join(random.Random(0).choices("0123456789", k=300)),
    "base64": "".join(random.Random(1).choices("ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789+/", k=300)),
    "one token repeated": "the " * 200,
    "chinese and emoji": "神经网络的长期记忆存在权重之中。🧠📚 记住,然后背诵。" * 3,
    "latin-1 junk": bytes(random.Random(2).choices(range(256), k=200)).decode("latin-1"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_recited_word_for_word(memorizer, tokenizer, name):
    tokens = tokenizer.encode_ordinary(TEXTS[name])
    assert round_trip(memorizer, tokenizer, cut(tokens, memorizer.config.segment)).decode() == TEXTS[name]


@pytest.mark.parametrize("length", [0, 1, 2, 127, 128, 129])
def test_random_tokens_are_recited_exactly_at_every_length(memorizer, tokenizer, length):
    tokens = [random.Random(length).randrange(tokenizer.n_vocab) for _ in range(length)]
    assert round_trip(memorizer, tokenizer, cut(tokens, memorizer.config.segment)) == tokenizer.decode_bytes(tokens)


def test_every_byte_can_be_written_alone_or_after_another(memorizer, tokenizer):
    """Any text can be spelled in bytes, so nothing is unwritable if this holds."""
    bytes_ = torch.tensor([tokenizer.encode_single_token(bytes([b])) for b in range(256)])
    for tokens in (bytes_[:, None], torch.stack([bytes_, bytes_.roll(1)], 1)):
        assert memorizer.write(tokens, torch.full((256,), tokens.shape[1])).exact.all()


def test_recitation_does_not_depend_on_the_batch(memorizer, tokenizer):
    tokens = tokenizer.encode_ordinary(TEXTS["english"])[: 4 * 90]
    memories = memorize(memorizer, tokenizer, cut(tokens, 90))
    together = recite(memorizer, torch.stack([m.weights for m in memories]), torch.stack([m.scales for m in memories]), [90] * 4)
    alone = [recite(memorizer, m.weights[None], m.scales[None], [90])[0] for m in memories]
    assert together == alone


def test_context_sees_no_later_token(memorizer):
    tokens = torch.randint(0, 30_000, (1, 40), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 20] = 5
    for before, after in zip(memorizer.context(tokens), memorizer.context(changed), strict=True):
        assert torch.equal(before[:, :21], after[:, :21])
        assert not torch.allclose(before[:, 21:], after[:, 21:])


def test_every_parameter_learns_from_recitation():
    from model.training.memorizer import losses

    torch.manual_seed(0)
    small = model.memorizer.Memorizer(
        MemorizerConfig(vocabulary=50, width=16, layers=1, heads=2, segment=20, memory=MemoryConfig(key=8, value=4))
    )
    tokens = torch.randint(0, 50, (3, 20))
    recited, prior, error = losses(small, tokens, torch.arange(50), tokens.flatten())
    (recited + prior + error).backward()
    silent = [name for name, p in small.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_screening_in_bfloat16_finds_the_same_leads(memorizer, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 30_000, (2, 30), generator=generator)
    expected, _ = memorizer.context(tokens)
    reads = torch.randn(2, 30, memorizer.config.memory.value, generator=generator)
    margin = memorizer.config.memory.margin
    verdicts = []
    for fast in (True, False):
        monkeypatch.setattr(model.memorizer, "bfloat16_is_faster", lambda device, fast=fast: fast)
        verdicts.append(memorizer.lead(tokens, expected, reads, memorizer.scored_table())[0] >= margin)
    assert torch.equal(*verdicts)


def test_what_is_called_exact_is_recited_with_a_margin(memorizer, tokenizer):
    tokens = torch.tensor([tokenizer.encode_ordinary(TEXTS["english"])[:100]])
    written = memorizer.write(tokens, torch.tensor([100]))
    assert written.exact.all()
    expected, keys = memorizer.context(tokens)
    lead, _ = memorizer.lead(tokens, expected, keys @ dequantise(written.integers, written.scales), memorizer.scored_table())
    assert (lead >= memorizer.config.memory.margin).all()


def test_split_prefers_sentence_ends_then_halves_then_spells(tokenizer):
    assert split([[1, 2], [3], [4, 5, 6]], tokenizer) == ([[1, 2], [3]], [[4, 5, 6]])
    assert split([[1, 2, 3]], tokenizer) == ([[1]], [[2, 3]])
    word = tokenizer.encode_single_token(b" the")
    left, right = split([[word]], tokenizer)
    assert tokenizer.decode_bytes(left[0] + right[0]) == b" the" and len(left[0] + right[0]) == 4
    with pytest.raises(MemorizeError):
        split([[tokenizer.encode_single_token(b"t")]], tokenizer)


def test_text_too_dense_for_one_memory_is_split_and_still_exact(memorizer, tokenizer, monkeypatch):
    narrow = replace(memorizer.config, memory=replace(memorizer.config.memory, margin=6.0, rounds=0))
    monkeypatch.setattr(memorizer, "config", narrow)
    tokens = tokenizer.encode_ordinary(TEXTS["english"])[:128]
    memories = memorize(memorizer, tokenizer, [[tokens]])
    assert len(memories) > 1
    assert [t for m in memories for t in m.tokens] == tokens


def test_bad_configurations_are_refused():
    with pytest.raises(ModelError, match="bits"):
        MemoryConfig(bits=5)
    with pytest.raises(ModelError, match="heads"):
        MemorizerConfig(width=190)
