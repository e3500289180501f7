"""Writing and reciting with the shipped weights."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model import MemorizeError, Memorizer, checksum, load_memorizer, load_tokenizer, memorize, recite
from model.config import MEMORIZER_JOININGS, EncoderConfig, MemorizerConfig, MemoryConfig
from model.errors import ModelError
from model.memorizer.class_softmax import ByClass, bisect
from model.memorizer.memories import split
from model.memorizer.quantization import dequantize
from model.memorizer.reciter import decode
from model.memorizer.writer import lead, rows_for, write, write_rows
from model.weights_file import WEIGHTS, load_config

SAMPLE = Path(__file__).parents[3] / "titans_cli" / "samples" / "gettysburg-address.txt"


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
    rows = recite(memorizer, [m.weights for m in memories], torch.stack([m.scale for m in memories]), [len(m.tokens) for m in memories])
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
        assert write(memorizer, tokens, torch.full((256,), tokens.shape[1])).exact.all()


def test_recitation_does_not_depend_on_the_batch(memorizer, tokenizer):
    tokens = tokenizer.encode_ordinary(TEXTS["english"])[: 4 * 90]
    memories = memorize(memorizer, tokenizer, cut(tokens, 90))
    together = recite(memorizer, [m.weights for m in memories], torch.stack([m.scale for m in memories]), [90] * 4)
    alone = [recite(memorizer, [m.weights], m.scale[None], [90])[0] for m in memories]
    assert together == alone


def test_context_sees_no_later_token(memorizer):
    tokens = torch.randint(0, 30_000, (1, 40), generator=torch.Generator().manual_seed(0))
    changed = tokens.clone()
    changed[0, 20] = 5
    places, others = memorizer.place_of_token[tokens], memorizer.place_of_token[changed]
    for before, after in zip(memorizer.context(places), memorizer.context(others), strict=True):
        assert torch.equal(before[:, :21], after[:, :21])
        assert not torch.allclose(before[:, 21:], after[:, 21:])


def small(joining: str = "additive", rule: str = "closed", depth: int = 1, seed: int = 0) -> Memorizer:
    torch.manual_seed(seed)
    memory = MemoryConfig(key=32, value=16, rule=rule, depth=depth, chunk=8, passes=3, bits=8)
    sizes = {"vocabulary": 48, "classes": 4, "embedding": 12, "width": 16, "layers": 1, "heads": 2, "segment": 20, "window": 6}
    return Memorizer(MemorizerConfig(**sizes, joining=joining, memory=memory))


WRITERS = [("closed", 1), ("titans", 1), ("titans", 2), ("delta", 1), ("delta", 3), ("rwkv7", 1)]


@pytest.mark.parametrize("joining", MEMORIZER_JOININGS)
@pytest.mark.parametrize(("rule", "depth"), WRITERS)
def test_every_parameter_learns_from_recitation(joining, rule, depth):
    from model.training.memorizer import losses

    model = small(joining, rule, depth)
    with torch.no_grad():
        model.gates.weight.normal_()
    later = model.config.memory.later
    recited, prior = losses(model, torch.randint(0, 48, (3, 20)), later + torch.tensor([8, 16, 32]))
    (recited + prior).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


TRAINED = [
    ("additive", "closed", 1),
    ("additive", "titans", 2),
    ("additive", "delta", 3),
    ("additive", "rwkv7", 1),
    ("mac", "closed", 1),
    ("mal", "titans", 1),
    ("lmm", "delta", 1),
]
"""Every rule at every depth and every joining; not their product, for each is trained first."""


def test_every_writer_and_joining_is_trained():
    assert {(rule, depth) for _, rule, depth in TRAINED} == set(WRITERS) and {joining for joining, _, _ in TRAINED} == set(
        MEMORIZER_JOININGS
    )


@pytest.mark.parametrize(("joining", "rule", "depth"), TRAINED)
def test_every_rule_and_joining_recites_what_it_says_it_wrote(joining, rule, depth):
    """Short training first: an untrained core with a memory inside cannot be corrected."""
    from model.training.memorizer import losses

    model = small(joining, rule, depth)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    for _ in range(1_000):
        recited, prior = losses(model, torch.randint(0, 48, (8, 6)), torch.full((8,), model.config.memory.rows))
        (recited + prior).backward()
        optimiser.step()
        optimiser.zero_grad()
        if recited < 0.2:
            break
    tokens = torch.randint(0, 48, (16, 6))
    lengths = torch.randint(2, 7, (16,))
    written = write(model, tokens, lengths)
    assert written.exact.float().mean() >= 0.5
    recited = decode(model, dequantize(written.codes, written.scales, 8), written.rows, 6)
    for said, text, length, exact in zip(recited, tokens, lengths, written.exact, strict=True):
        assert not exact or torch.equal(said[:length], text[:length])


@pytest.mark.parametrize("joining", MEMORIZER_JOININGS)
def test_reads_that_enter_the_core_change_no_earlier_token(joining):
    model = small(joining)
    tokens = torch.randint(0, 48, (2, 20))
    lesson = model.study(tokens, torch.tensor([20, 20]))
    reads = torch.randn(2, 20, 16)
    changed = reads.clone()
    changed[:, 9] *= 1e3
    by_class, tables = model.by_class(lesson.places), model.corrections()
    for before, after in zip(model.recited(lesson, reads, by_class, tables), model.recited(lesson, changed, by_class, tables), strict=True):
        torch.testing.assert_close(before[:, :9], after[:, :9])
        assert not torch.allclose(before[:, 9], after[:, 9])


@pytest.mark.parametrize(("rule", "depth"), WRITERS)
def test_one_token_repeated_blows_no_memory_up(rule, depth):
    model = small(rule=rule, depth=depth)
    with torch.no_grad():
        model.gates.bias.fill_(30)  # largest steps, longest momentum
    lesson = model.study(torch.full((1, 20), 7), torch.tensor([20]))
    key = torch.nn.functional.normalize(torch.ones(1, 20, 32), dim=-1)
    solver = model.memory.solver(key, lesson.gates, lesson.valid)
    assert solver.weights(torch.ones(1, 20, 16)).abs().max() < 100


def test_what_is_called_exact_is_recited_with_a_margin(memorizer, tokenizer):
    """Against scores made the other way: from states as in reciting, not from tables as in writing."""
    tokens = torch.tensor([tokenizer.encode_ordinary(TEXTS["english"])[:100]])
    written = write(memorizer, tokens, torch.tensor([100]))
    assert written.exact.all()
    lesson = memorizer.study(tokens, torch.tensor([100]))
    bits, members = memorizer.config.memory.bits, memorizer.config.members
    reads = memorizer.keys(lesson.features, written.rows) @ dequantize(written.codes, written.scales, bits)
    logits = memorizer.recited(lesson, reads, memorizer.by_class(lesson.places), memorizer.corrections())
    for score, right in zip(logits, (lesson.places // members, lesson.places % members), strict=True):
        assert (lead(score[0].clone(), right[0])[0] >= 0.9 * memorizer.config.memory.margin).all()


def test_surprising_text_gets_more_rows(memorizer, tokenizer):
    tokens = torch.tensor([tokenizer.encode_ordinary(TEXTS["english"])[:64]])
    noise = torch.randint(0, tokenizer.n_vocab, (1, 64), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([64])
    plain, random_ = (rows_for(memorizer, memorizer.study(t, lengths)) for t in (tokens, noise))
    assert plain < random_


def test_rows_are_enough_or_the_text_is_called_inexact(memorizer):
    noise = torch.randint(0, 30_000, (2, 128), generator=torch.Generator().manual_seed(1))
    lesson = memorizer.study(noise, torch.tensor([128, 128]))
    assert not write_rows(memorizer, lesson, torch.tensor([8, 8])).exact.any()


def test_halves_of_a_vocabulary_lie_close_together():
    centres = torch.tensor([[0.0, 9.0], [9.0, 0.0], [9.0, 9.0], [0.0, 0.0]])
    belongs = torch.randperm(64, generator=torch.Generator().manual_seed(0)) % 4
    order = bisect(centres[belongs] + 0.1 * torch.randn(64, 2, generator=torch.Generator().manual_seed(1)), 2)
    assert sorted(order.tolist()) == list(range(64))
    assert all(len(set(part.tolist())) == 1 for part in belongs[order].view(4, 16))


def test_products_by_class_equal_gathered_products():
    generator = torch.Generator().manual_seed(0)
    states, tables = torch.randn(9, 3, generator=generator), torch.randn(5, 4, 3, generator=generator)
    classes = torch.tensor([4, 0, 0, 3, 1, 4, 4, 0, 1])
    torch.testing.assert_close(ByClass(classes, 5).scores(states, tables), torch.einsum("nme,ne->nm", tables[classes], states))
    assert ByClass(classes[:0], 5).scores(states[:0], tables).shape == (0, 4)


def test_split_prefers_sentence_ends_then_halves_then_spells(tokenizer):
    assert split([[1, 2], [3], [4, 5, 6]], tokenizer) == ([[1, 2], [3]], [[4, 5, 6]])
    assert split([[1, 2, 3]], tokenizer) == ([[1]], [[2, 3]])
    word = tokenizer.encode_single_token(b" the")
    left, right = split([[word]], tokenizer)
    assert tokenizer.decode_bytes(left[0] + right[0]) == b" the" and len(left[0] + right[0]) == 4
    with pytest.raises(MemorizeError):
        split([[tokenizer.encode_single_token(b"t")]], tokenizer)


def test_text_too_dense_for_one_memory_is_split_and_still_exact(memorizer, tokenizer, monkeypatch):
    narrow = replace(memorizer.config, memory=replace(memorizer.config.memory, rounds=0))
    monkeypatch.setattr(memorizer, "config", narrow)
    generator = random.Random(3)
    tokens = [generator.randrange(tokenizer.n_vocab) for _ in range(128)]
    memories = memorize(memorizer, tokenizer, [[tokens]])
    assert len(memories) > 1
    assert tokenizer.decode_bytes([t for m in memories for t in m.tokens]) == tokenizer.decode_bytes(tokens)


def test_configurations_of_older_weight_files_are_understood():
    old = MemorizerConfig().as_dict() | {"joining": "mag"}
    old["memory"] = {("residual" if name == "store_surprise" else name): value for name, value in old["memory"].items()}
    assert MemorizerConfig.from_dict(old) == MemorizerConfig()
    assert MemorizerConfig.from_dict(load_config(WEIGHTS / "memorizer.safetensors")).joining == "additive"
    assert EncoderConfig.from_dict({"gist": 7, "width": 24}) == EncoderConfig(vector=7, width=24)


def test_bad_configurations_are_refused():
    with pytest.raises(ModelError, match="bits"):
        MemoryConfig(bits=7)
    with pytest.raises(ModelError, match="heads"):
        MemorizerConfig(width=190)
