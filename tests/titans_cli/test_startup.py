"""What a start of the program reads: digests of the weights are remembered, devices and passwords come from the settings."""

import json
import os

import pytest

from model import weight_files
from titans_cli import fingerprint, settings
from titans_cli.fingerprint import digests_of, fingerprint_of
from titans_cli.models import Models
from titans_cli.services.ingest.request import Request
from titans_cli.store.files import sha256_of_file


@pytest.fixture
def read(monkeypatch):
    """The files that are read, in order."""
    paths = []
    monkeypatch.setattr(fingerprint, "sha256_of_file", lambda path: paths.append(path.name) or sha256_of_file(path))
    return paths


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / "a", tmp_path / "b"]
    for path in made:
        path.write_text(path.name)
    return made


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path, files, read):
    cache = tmp_path / "cache" / "digests.json"
    first = digests_of(files, cache)
    assert first == [sha256_of_file(path) for path in files] and read == ["a", "b"]
    assert digests_of(files, cache) == first and read == ["a", "b"]
    before = files[0].stat()
    files[0].write_text("c")  # of the same size
    os.utime(files[0], ns=(before.st_atime_ns, before.st_mtime_ns))  # and the same time
    assert digests_of(files, cache) == [sha256_of_file(path) for path in files] != first
    assert read == ["a", "b", "a"]


@pytest.mark.parametrize("kept", [b"", b"[]", b"\xff", b'{"a": 1}', b"[" * 100_000, b'{"%s": "0"}'])
def test_a_cache_that_is_damaged_is_made_anew(tmp_path, files, read, kept):
    cache = tmp_path / "digests.json"
    right = digests_of(files, cache)
    cache.write_bytes(kept.replace(b"%s", fingerprint.key_of(files[0]).encode()))
    assert digests_of(files, cache) == right and len(read) == 4
    assert set(json.loads(cache.read_text()).values()) == set(right)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, files, read):
    (tmp_path / "file").write_text("no folder")
    for _ in range(2):
        assert digests_of(files, tmp_path / "file" / "digests.json") == [sha256_of_file(path) for path in files]
    assert read == ["a", "b", "a", "b"]


def test_the_fingerprint_is_that_of_the_files(monkeypatch, tmp_path):
    monkeypatch.setattr(fingerprint, "cache_folder", lambda: tmp_path)
    digests = b"".join(bytes.fromhex(sha256_of_file(path)) for path in weight_files())
    (tmp_path / "all").write_bytes(digests)
    assert fingerprint_of() == fingerprint_of() == Models().fingerprint == sha256_of_file(tmp_path / "all")


def test_the_device_is_chosen_by_name(memorized, monkeypatch):
    assert Models(device="cpu").device.type == "cpu"
    assert "sour" in memorized("ask", "What did the Fox say about the grapes?", "--device", "cpu").stdout
    assert "abacus" in memorized("ask", "What did the Fox say?", "--device", "abacus", code=2).stderr
    monkeypatch.setenv(settings.DEVICE, "abacus")
    assert "abacus" in memorized("ask", "What did the Fox say?", code=2).stderr


def test_every_ingest_tries_the_password_of_the_settings(monkeypatch):
    monkeypatch.setenv(settings.PDF_PASSWORD, "open sesame")
    assert Request().options.passwords == ("open sesame",)
    monkeypatch.delenv(settings.PDF_PASSWORD)
    assert Request().options.passwords == ()
