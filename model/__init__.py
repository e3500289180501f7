"""The networks: tensors only. No files but ``weights/``, no SQL, no printing."""

from model.core import NO, YES, Core, load_core
from model.errors import MemorizeError, ModelError, WeightsError
from model.memorizer import Memorizer, load_memorizer
from model.reading import Passage, Reading, read_answer
from model.recall import question_gist, sentence_gists, wake
from model.runtime import choose_device
from model.tokenizer import load_tokenizer
from model.weights_file import weight_files
from model.writing import Memory, checksum, memorize, recite, sentence_texts

__all__ = [
    "NO",
    "YES",
    "Core",
    "MemorizeError",
    "Memorizer",
    "Memory",
    "ModelError",
    "Passage",
    "Reading",
    "WeightsError",
    "checksum",
    "choose_device",
    "load_core",
    "load_memorizer",
    "load_tokenizer",
    "memorize",
    "question_gist",
    "read_answer",
    "recite",
    "sentence_gists",
    "sentence_texts",
    "wake",
    "weight_files",
]
