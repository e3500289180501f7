"""The networks: tensors only. No files but ``weights/``, no SQL, no printing."""

from model.errors import MemorizeError, ModelError, WeightsError
from model.memorizer.memories import Memory, checksum, memorize, recite, sentence_texts
from model.memorizer.network import Memorizer, load_memorizer
from model.memorizer.tokenizer import load_tokenizer
from model.reader.calibration import Signs, confidence_of
from model.reader.reading import Passage, Reading, read_answers
from model.recall.clusters import Themes, cluster
from model.recall.encoder import NO, YES, Core, load_core
from model.recall.neighbors import Near, nearest, token_nats
from model.recall.search import Gists, Question, Woken, associate, encode_question, fit, select, sentence_gists
from model.runtime import choose_device
from model.weights_file import weight_files

__all__ = [
    "NO",
    "YES",
    "Core",
    "Gists",
    "MemorizeError",
    "Memorizer",
    "Memory",
    "ModelError",
    "Near",
    "Passage",
    "Question",
    "Reading",
    "Signs",
    "Themes",
    "WeightsError",
    "Woken",
    "associate",
    "checksum",
    "choose_device",
    "cluster",
    "confidence_of",
    "encode_question",
    "fit",
    "load_core",
    "load_memorizer",
    "load_tokenizer",
    "memorize",
    "nearest",
    "read_answers",
    "recite",
    "select",
    "sentence_gists",
    "sentence_texts",
    "token_nats",
    "weight_files",
]
