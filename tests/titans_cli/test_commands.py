"""Whole runs of the program on real documents."""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from conftest import SAMPLES, Titans, make_documents
from filelock import FileLock

from ingest import Source, read_document
from titans_cli.output import plain, terminal

QUESTIONS = {
    "How many years ago did our fathers bring forth a new nation?": ("gettysburg-address.txt", (None,), "Four score and seven"),
    "What did the fox say about the grapes?": ("aesop.html", (None,), "sour"),
    "Which algorithm does bzip2 use to compress files?": ("bzip2.pdf", (4, 6), "Burrows-Wheeler"),
}


def ask(titans: Titans, question: str) -> dict:
    answer = json.loads(titans("ask", "--json", question).stdout)
    answer.pop("elapsed_ms")
    return answer


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_name_document_page_and_recited_evidence(memorized, question):
    document, pages, words = QUESTIONS[question]
    answer = ask(memorized, question)
    assert not answer["refused"]
    (evidence,) = answer["evidence"]
    assert Path(evidence["document"]).name == document
    assert evidence["page"] in pages  # both say the same
    assert evidence["verbatim"] is True
    assert words in evidence["text"]


def test_json_is_the_contract(memorized):
    answer = json.loads(memorized("ask", "--json", next(iter(QUESTIONS))).stdout)
    assert list(answer) == ["version", "question", "answer", "refused", "confidence", "evidence", "elapsed_ms", "answer_kind", "closest"]
    assert list(answer["evidence"][0]) == ["text", "document", "page", "verbatim", "score"]
    assert answer["version"] == 1 and 0 <= answer["confidence"] <= 1


def test_questions_come_from_a_file_or_from_standard_input(memorized, tmp_path):
    asked = list(QUESTIONS)
    (tmp_path / "questions.txt").write_text("\n\n".join(asked) + "\n")
    from_file = memorized("ask", "--json", "--questions", tmp_path / "questions.txt").stdout
    assert [json.loads(line)["question"] for line in from_file.splitlines()] == asked
    (only,) = memorized("ask", "--json", "-", stdin=asked[0] + "\n").stdout.splitlines()
    assert json.loads(only)["question"] == asked[0]


def test_no_text_of_a_document_is_in_any_file_of_the_store(memorized, tmp_path):
    files = {name: data for name, data in memorized.files().items() if not name.startswith("history.db")}  # the user's own, see its tests
    assert any(name.endswith(".safetensors") for name in files) and "titans.db" in files
    runs = 0
    for path in make_documents(tmp_path / "docs").iterdir():
        for page in read_document(Source(path, path.name)).pages:
            text = page.text.encode()
            for start in range(0, len(text) - 20, 10):
                runs += 1
                assert not any(text[start : start + 20] in data for data in files.values()), text[start : start + 20]
    assert runs > 1000


def test_export_and_import_give_the_same_memory(memorized, titans, tmp_path):
    memorized("export", tmp_path / "a.titans")
    titans("import", tmp_path / "a.titans")
    first, second = (t("snapshot", "list").stdout.split()[-1] for t in (memorized, titans))
    assert first == second
    for question in QUESTIONS:
        imported = ask(titans, question)
        assert all(passage.pop("imported") is True for passage in (*imported["evidence"], *imported["closest"]))
        assert imported == ask(memorized, question)
    titans("export", tmp_path / "b.titans")
    assert len((tmp_path / "a.titans").read_bytes()) == len((tmp_path / "b.titans").read_bytes())
    before = titans.files()
    titans("import", tmp_path / "a.titans")
    assert {n: d for n, d in titans.files().items() if "shards" in n} == {n: d for n, d in before.items() if "shards" in n}


def test_import_merges_with_what_is_there(memorized, titans, tmp_path):
    memorized("export", tmp_path / "a.titans")
    (tmp_path / "own.txt").write_text("The secret word of the third gardener is marmalade, and nobody else knows it.")
    titans("ingest", tmp_path / "own.txt")
    titans("import", tmp_path / "a.titans")
    assert ask(titans, "What is the secret word of the gardener?")["evidence"][0]["document"] == "own.txt"
    assert ask(titans, next(iter(QUESTIONS)))["evidence"][0]["document"].endswith("gettysburg-address.txt")


def test_a_flipped_byte_anywhere_in_an_export_is_refused_and_leaves_no_store(memorized, titans, tmp_path):
    memorized("export", tmp_path / "a.titans")
    whole = (tmp_path / "a.titans").read_bytes()
    places = {0, 1, 30, *range(0, len(whole), len(whole) // 40), *range(len(whole) - 120, len(whole), 7), len(whole) - 1}
    for place in sorted(places):
        broken = bytearray(whole)
        broken[place] ^= 0x10
        (tmp_path / "b.titans").write_bytes(broken)
        result = titans("import", tmp_path / "b.titans", code=12)
        assert "b.titans" in result.stderr and "Traceback" not in result.stderr
    for short in (b"", whole[:-1], whole[: len(whole) // 2], whole + b"x"):
        (tmp_path / "b.titans").write_bytes(short)
        titans("import", tmp_path / "b.titans", code=12)
    assert not titans.home.exists()


def test_import_names_what_is_missing(titans, tmp_path):
    assert "none.titans" in titans("import", tmp_path / "none.titans", code=1).stderr
    assert not titans.home.exists()


def test_damaged_shard_is_reported_not_misread(copied):
    shard = next(copied.home.glob("shards/*/*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    shutil.rmtree(copied.home / "cache")
    assert shard.name in copied("ask", "Who?", code=12).stderr
    assert "damaged" in copied("export", copied.home.parent / "x.titans", code=12).stderr
    assert not (copied.home.parent / "x.titans").exists()


def test_second_ingest_changes_nothing(titans, tmp_path):
    (tmp_path / "a.txt").write_text("Nothing is so painful to the human mind as a great and sudden change.")
    titans("ingest", tmp_path / "a.txt")
    before = titans.files()
    assert "0 new, 1 unchanged" in titans("ingest", tmp_path / "a.txt").stdout
    assert titans.files().keys() == before.keys()
    assert len(titans("snapshot", "list").stdout.splitlines()) == 2


def test_changed_file_replaces_its_memories(titans, tmp_path):
    (tmp_path / "a.txt").write_text("The password of the lighthouse keeper is albatross.")
    titans("ingest", tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("The password of the lighthouse keeper is cormorant.")
    titans("ingest", tmp_path / "a.txt")
    assert "cormorant" in ask(titans, "What is the password of the lighthouse keeper?")["evidence"][0]["text"]
    assert "1 document" in titans("status").stdout


def test_bad_files_do_not_stop_the_others(titans, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "bad.pdf").write_bytes(b"no PDF")
    (tmp_path / "docs" / "empty.txt").write_bytes(b"")
    (tmp_path / "docs" / "good.txt").write_text("Good things come to those who wait.")
    result = titans("ingest", tmp_path / "docs", code=3)
    assert "1 new, 0 unchanged, 2 failed" in result.stdout
    assert "bad.pdf: is not a readable PDF" in result.stderr and "empty.txt: is empty" in result.stderr
    assert "bad.pdf" in titans("status").stdout


def test_only_bad_files_leave_no_store(titans, tmp_path):
    (tmp_path / "bad.pdf").write_bytes(b"no PDF")
    titans("ingest", tmp_path / "bad.pdf", code=1)
    titans("ingest", tmp_path / "missing", code=1)
    (tmp_path / "nothing").mkdir()
    titans("ingest", tmp_path / "nothing", code=2)
    assert not titans.home.exists()


def test_folder_without_permission_is_reported(titans, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o000)
    assert "permissions" in titans.unprivileged("ingest", tmp_path / "closed", code=1).stderr


def test_file_of_one_token(titans, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    titans("ingest", tmp_path / "a.txt")
    assert "1 document, 1 token in 1 memory" in titans("status").stdout
    titans("ask", "What is it?")


def test_copies_are_memorized_once_and_known_by_both_names(titans, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("Two copies of one and the same text.")
        titans("ingest", tmp_path / name)
    assert len(list(titans.home.glob("shards/*/*.safetensors"))) == 1
    assert "a.txt" in (listed := titans("status").stdout) and "b.txt" in listed


def test_recite_continues_word_for_word(memorized):
    text = memorized("recite", "testing  whether that NATION").stdout
    assert text.startswith(", or any nation so conceived and so dedicated, can long endure. We are met on a great battle-field")
    assert "Give more words" in memorized("recite", "words that stand nowhere", code=1).stderr


def test_snapshots_are_made_restored_and_deleted(copied, tmp_path):
    copied("snapshot", "create", "before")
    (tmp_path / "new.txt").write_text("The admiral keeps seven parrots in the third cabin.")
    copied("ingest", tmp_path / "new.txt")
    assert "parrots" in ask(copied, "What does the admiral keep?")["evidence"][0]["text"]
    shards = len(list(copied.home.glob("shards/*/*.safetensors")))
    copied("snapshot", "restore", "before")
    assert "new.txt" not in copied("status").stdout
    names = [line.split()[0] for line in copied("snapshot", "list").stdout.splitlines()[1:] if not line.startswith("*")]
    for name in names:
        copied("snapshot", "delete", name)
    assert len(list(copied.home.glob("shards/*/*.safetensors"))) == shards - 1
    assert "Restore another" in copied("snapshot", "delete", "before", code=2).stderr
    assert "No snapshot is named 'gone'" in copied("snapshot", "restore", "gone", code=2).stderr
    assert "already" in copied("snapshot", "create", "before", code=2).stderr


def test_tables_are_not_folded_where_there_is_no_terminal(copied, monkeypatch):
    monkeypatch.setattr(terminal.out, "_width", 40)
    name = "before-the-great-reorganization-of-all-folders"
    copied("snapshot", "create", name)
    assert name in copied("snapshot", "list").stdout


def test_locked_store_is_left_alone(copied):
    with FileLock(copied.home / ".lock"):
        assert "Another titans" in copied("snapshot", "create", "x", code=11).stderr
        copied("ask", next(iter(QUESTIONS)))


def test_exit_codes_of_wrong_use(titans, memorized, tmp_path):
    assert "titans ingest FOLDER" in titans("ask", "Who?", code=10).stderr
    titans("status", code=10)
    titans("recite", "x", code=10)
    titans("export", tmp_path / "x", code=10)
    titans("ingest", code=2)
    memorized("ask", code=2)
    memorized("ask", " ", code=2)
    memorized("ask", "x", "--questions", "y", code=2)
    memorized("ask", "--questions", tmp_path / "none", code=2)
    assert not titans.home.exists()


def test_what_was_meant_is_told(memorized):
    assert 'titans ask "Who wrote bzip2?"' in memorized("Who wrote bzip2?", code=2).stderr
    assert "'ask'" in memorized("aks", code=2).stderr
    assert "--context" in memorized("ask", "--contxt", "x", code=2).stderr
    assert "not both" in memorized("ask", "-q", "-v", "x", code=2).stderr


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("titans rec", "recite"),
        ("titans forget bz", "bzip2.pdf"),
        ("titans forget docs/bz", "docs/bzip2.pdf"),
        ("titans snapshot restore au", "auto-1"),
        ("titans forget nothing-like-it", ""),
    ],
)
def test_the_shell_completes_commands_documents_and_snapshots(memorized, typed, wanted):
    words = typed.split()
    asked = {"_TITANS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    environment = {**os.environ, **asked, "TITANS_HOME": str(memorized.home)}
    program = "import sys; from titans_cli.app import app; app(prog_name='titans')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.split() == wanted.split() and not done.stderr


def test_store_of_a_newer_program_or_of_other_weights_is_refused(copied):
    db = sqlite3.connect(copied.home / "titans.db")
    db.execute("update snapshots set fingerprint = 'other'")
    db.commit()
    assert "other model weights" in copied("ask", "Who?", code=13).stderr
    db.execute("insert into migrations values (99, 'later')")
    db.commit()
    db.close()
    assert "Upgrade" in copied("status", code=13).stderr


def test_file_that_is_no_database_is_reported(titans):
    titans.home.mkdir()
    (titans.home / "titans.db").write_bytes(b"no database at all" * 100)
    assert "titans.db" in titans("status", code=12).stderr


def test_text_from_documents_never_controls_the_terminal():
    assert plain("a\x1b[31mb\x1b]0;title\x07c\x9bd\u202ee\r\n\tf[bold]g") == "abce\n\tf[bold]g"


def test_chat_answers_and_leaves_at_the_end_of_input(memorized):
    environment = {**os.environ, "TITANS_HOME": str(memorized.home), "TERM": "dumb"}
    lines = "What did the fox say about the grapes?\n/sources\n/docs\n/nonsense\n/help\n/quit\n"
    result = subprocess.run(
        [sys.executable, "-m", "titans_cli", "chat"], input=lines, capture_output=True, text=True, env=environment, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "aesop.html" in result.stdout and "bzip2.pdf" in result.stdout
    assert "Unknown command /nonsense." in result.stderr and "/sources" in result.stderr


def recorded_documents(home: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{home}/titans.db?mode=ro", uri=True)) as db:
            return db.execute("select count(*) from documents").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def test_interrupted_ingest_keeps_what_is_finished_and_resumes(titans, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("The first document is short, and soon memorized.")
    shutil.copy(SAMPLES / "gettysburg-address.txt", folder / "c.txt")
    words = random.Random(0).choices((SAMPLES / "gettysburg-address.txt").read_text().split(), k=4_000)
    (folder / "bb.txt").write_text(" ".join(words))  # time for the signal to arrive
    command = [sys.executable, "-m", "titans_cli", "ingest", str(folder), "--home", str(titans.home)]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job inherits SIGINT ignored
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)
    while recorded_documents(titans.home) == 0:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Interrupted" in errors and "Traceback" not in errors
    assert "a.txt" in (listed := titans("status").stdout) and "c.txt" not in listed
    titans("ingest", folder)
    again = Titans(tmp_path / "again")
    again("ingest", folder)
    assert titans("snapshot", "list").stdout.split()[-1] == again("snapshot", "list").stdout.split()[-1]
