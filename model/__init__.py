"""The networks: tensors only. No files but ``weights/``, no SQL, no printing.

What is exported is loaded when first used: importing this package loads no torch, nor do its modules that need none.
"""

# ruff: noqa: F401 (what is imported for type checkers is exported by ``__all__``, which is made of EXPORTS)

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Waiting threads of OpenMP sleep: by default they spin, which makes answers 5 to 35 times as slow where other programs run.
# libgomp reads this when torch is loaded, so it is set before.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

if TYPE_CHECKING:
    from model.config import BlockConfig, EncoderConfig, MemorizerConfig, RuleConfig
    from model.errors import MemorizeError, ModelError, WeightsError
    from model.memorizer.memories import Memory, checksum, memorize, sentence_texts
    from model.memorizer.network import Memorizer, load_memorizer
    from model.memorizer.reciter import recite
    from model.memorizer.surprise import token_nats
    from model.memorizer.tokenizer import load_tokenizer
    from model.reader.calibration import CalibrationFeatures, confidence_of
    from model.reader.network import NO, YES
    from model.reader.reader import Reader, load_reader
    from model.reader.reading import read_answers
    from model.reader.spans import Reading
    from model.reader.windows import Passage
    from model.recall.clusters import Clusters, cluster
    from model.recall.encoder import Encoder, load_encoder
    from model.recall.neighbors import Neighbor, nearest_sentences
    from model.recall.search import Hit, correct_spelling, retrieve, score_sentences, score_similar
    from model.recall.surroundings import Surroundings
    from model.recall.vectors import Question, SentenceVectors, encode_question, encode_sentences
    from model.recall.word_filter import content_words
    from model.runtime import choose_device
    from model.titans import NeuralMemory, TitansBlock
    from model.weights_file import load_config, weight_files

EXPORTS = {
    "model.config": ("BlockConfig", "EncoderConfig", "MemorizerConfig", "RuleConfig"),
    "model.errors": ("MemorizeError", "ModelError", "WeightsError"),
    "model.memorizer.memories": ("Memory", "checksum", "memorize", "sentence_texts"),
    "model.memorizer.network": ("Memorizer", "load_memorizer"),
    "model.memorizer.reciter": ("recite",),
    "model.memorizer.surprise": ("token_nats",),
    "model.memorizer.tokenizer": ("load_tokenizer",),
    "model.reader.calibration": ("CalibrationFeatures", "confidence_of"),
    "model.reader.network": ("NO", "YES"),
    "model.reader.reader": ("Reader", "load_reader"),
    "model.reader.reading": ("read_answers",),
    "model.reader.spans": ("Reading",),
    "model.reader.windows": ("Passage",),
    "model.recall.clusters": ("Clusters", "cluster"),
    "model.recall.encoder": ("Encoder", "load_encoder"),
    "model.recall.neighbors": ("Neighbor", "nearest_sentences"),
    "model.recall.search": ("Hit", "correct_spelling", "retrieve", "score_sentences", "score_similar"),
    "model.recall.surroundings": ("Surroundings",),
    "model.recall.vectors": ("Question", "SentenceVectors", "encode_question", "encode_sentences"),
    "model.recall.word_filter": ("content_words",),
    "model.runtime": ("choose_device",),
    "model.titans": ("NeuralMemory", "TitansBlock"),
    "model.weights_file": ("load_config", "weight_files"),
}
HOMES = {name: module for module, names in EXPORTS.items() for name in names}

__all__ = sorted(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
