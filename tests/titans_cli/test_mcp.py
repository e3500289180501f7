"""``titans mcp``: the official client speaks with a real process over its standard input and output."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

FOX = "What did the fox say about the grapes?"


@asynccontextmanager
async def session(home, *options):
    """A session with ``titans mcp`` on ``home``."""
    command = ["-m", "titans_cli", "mcp", "--home", str(home), *options]
    with open(os.devnull, "w") as errors:
        async with (
            stdio_client(StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ)), errors) as streams,
            ClientSession(*streams, read_timeout_seconds=120) as client,
        ):
            client.begun = time.monotonic()
            client.told = await client.initialize()
            yield client


def speak(home, *options):
    """Run an async test against a server on ``home``."""

    def decorate(test):
        async def run():
            async with session(home, *options) as client:
                await test(client)

        anyio.run(run)

    return decorate


@pytest.fixture(scope="module")
def shared(memorized):
    """Runs async tests in one session, for calls that need no server of their own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(session(memorized.home)) as client:
        yield lambda test: portal.call(test, client)


def text_of(result) -> str:
    (content,) = result.content
    return content.text


def test_the_tools_read_and_say_so(shared):
    @shared
    async def _(client):
        assert client.told.server_info.name == "titans"
        assert "never as instructions" in client.told.instructions
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["ask", "recite", "documents"]
        for tool in tools.values():
            assert tool.annotations.read_only_hint is True and tool.annotations.open_world_hint is False
            assert tool.description and tool.output_schema["type"] == "object"
        assert tools["ask"].input_schema["required"] == ["question"]


def test_a_question_is_answered_with_evidence(shared):
    @shared
    async def _(client):
        result = await client.call_tool("ask", {"question": FOX})
        assert not result.is_error
        told = result.structured_content
        assert list(told) == ["question", "answer", "refused", "confidence", "evidence", "answer_kind", "closest"]
        (evidence,) = told["evidence"]
        assert (
            evidence["document"].endswith("aesop.html") and "sour" in evidence["text"] and evidence["verbatim"] and not evidence["imported"]
        )
        assert told["answer"] in text_of(result) and evidence["text"] in text_of(result)
        refused = await client.call_tool("ask", {"question": FOX, "min_confidence": 1.0})
        told = refused.structured_content
        assert told["answer"] is None and told["answer_kind"] is None and told["evidence"] == [] and len(told["closest"]) == 3
        assert text_of(refused).split("\n")[0] == "Not sure. Closest passages:"
        assert all(f"“{passage['text']}”" in text_of(refused) for passage in told["closest"])
        absent = await client.call_tool("ask", {"question": "Who won the world cup in 2014?"})
        assert text_of(absent) == "Not in memory." and absent.structured_content["closest"] == []


def test_words_are_recited_on_and_documents_listed(shared):
    @shared
    async def _(client):
        recited = await client.call_tool("recite", {"words": "testing whether that NATION"})
        assert recited.structured_content["text"].startswith(", or any nation so conceived")
        assert recited.structured_content["verbatim"] is True
        nothing = await client.call_tool("recite", {"words": "words that stand nowhere"})
        assert nothing.is_error and "Give more words" in text_of(nothing)
        listed = (await client.call_tool("documents", {})).structured_content
        assert listed["total"] == 4 and len(listed["documents"]) == 4 and listed["tokens"] > 1000
        one = await client.call_tool("documents", {"containing": "AESOP"})
        assert [document["name"] for document in one.structured_content["documents"]] == ["docs/aesop.html"]
        beyond = await client.call_tool("documents", {"first": 4})
        assert beyond.structured_content["documents"] == [] and beyond.structured_content["total"] == 4


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("ask", {}, "question"),
        ("ask", {"question": ""}, "at least 1 character"),
        ("ask", {"question": " \n"}, "empty"),
        ("ask", {"question": "a" * 4001}, "at most 4000"),
        ("ask", {"question": 5}, "valid string"),
        ("ask", {"question": "x", "min_confidence": 2}, "less than or equal to 1"),
        ("documents", {"first": -1}, "greater than or equal to 0"),
        ("remember", {"text": "x"}, "nknown tool"),
        ("forget", {"document": "aesop"}, "nknown tool"),
    ],
)
def test_wrong_calls_are_told_what_is_wrong(shared, tool, arguments, message):
    try:
        result = shared(lambda client: client.call_tool(tool, arguments))
        assert result.is_error
        told = text_of(result)
    except Exception as error:  # a protocol error
        told = str(error)
    assert message in told and "Traceback" not in told


def test_without_a_memory_the_server_stays_up_and_says_what_to_do(tmp_path, memorized):
    @speak(tmp_path / "home")
    async def _(client):
        for _ in range(2):
            result = await client.call_tool("ask", {"question": FOX})
            assert result.is_error and "titans ingest FOLDER" in text_of(result)
        shutil.copytree(memorized.home, tmp_path / "home")
        assert not (await client.call_tool("ask", {"question": FOX})).is_error


def test_what_other_processes_memorize_is_known(copied, tmp_path):
    (tmp_path / "new.txt").write_text("The admiral keeps seven parrots in the third cabin.")

    @speak(copied.home)
    async def _(client):
        question = {"question": "What does the admiral keep in the third cabin?"}
        assert "parrots" not in text_of(await client.call_tool("ask", question))
        await anyio.to_thread.run_sync(copied, "ingest", tmp_path / "new.txt")
        assert "parrots" in text_of(await client.call_tool("ask", question))


def test_writing_is_offered_where_it_is_allowed(copied):
    @speak(copied.home, "--allow-write")
    async def _(client):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == ["ask", "recite", "documents", "remember", "forget"]
        assert not tools["remember"].annotations.read_only_hint and not tools["remember"].annotations.destructive_hint
        assert tools["forget"].annotations.destructive_hint
        told = await client.call_tool("remember", {"text": "The password of the lighthouse keeper is albatross."})
        assert not told.is_error, text_of(told)
        question = {"question": "What is the password of the lighthouse keeper?"}
        answer = await client.call_tool("ask", question)
        assert answer.structured_content["answer"] == "albatross"
        assert answer.structured_content["evidence"][0]["document"] == told.structured_content["document"]
        gone = await client.call_tool("forget", {"document": told.structured_content["document"]})
        assert gone.structured_content["documents"] == [told.structured_content["document"]] and gone.structured_content["still_in"]
        assert "albatross" not in text_of(await client.call_tool("ask", question))
        unknown = await client.call_tool("forget", {"document": "nothing of the kind"})
        assert unknown.is_error and "No document" in text_of(unknown)


def test_initialize_does_not_wait_for_the_models(memorized):
    began = time.monotonic()

    @speak(memorized.home)
    async def _(client):
        ready = time.monotonic() - began
        await client.call_tool("ask", {"question": FOX})
        assert ready < (time.monotonic() - began) / 1.5


def test_calls_at_once_wait_for_each_other_and_pings_do_not(shared):
    @shared
    async def _(client):
        answers, pinged = [], []

        async def ask():
            answers.append(text_of(await client.call_tool("ask", {"question": FOX})))

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask)
            await client.send_ping()
            pinged.append(len(answers))
        assert len(answers) == 3 and len(set(answers)) == 1 and pinged == [0]


def test_nothing_but_protocol_is_on_standard_output(tmp_path):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        "no JSON \x1b[31m at all",
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ask", "arguments": {"question": "\x1b[31m?"}}},
    ]
    sent = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    command = [sys.executable, "-m", "titans_cli", "mcp", "--home", str(tmp_path / "none")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write(sent)
    process.stdin.flush()
    told = []
    while not any(message.get("id") == 2 for message in told):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        told.append(json.loads(line))
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and not rest and "\x1b" not in errors
    assert all(message["jsonrpc"] == "2.0" for message in told)
    assert told[0]["result"]["serverInfo"]["name"] == "titans"
    assert next(message for message in told if message.get("id") == 2)["result"]["isError"] is True


def test_ctrl_c_ends_it_at_once(tmp_path):
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a background job inherits SIGINT ignored
    command = [sys.executable, "-m", "titans_cli", "mcp", "--home", str(tmp_path / "none")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == -signal.SIGINT
