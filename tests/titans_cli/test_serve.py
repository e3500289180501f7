"""``titans serve``: a real server, asked over real connections."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager

import anyio
import pytest

from titans_cli.errors import DamagedError, TitansError, UsageError
from titans_cli.servers.guard import Guard
from titans_cli.servers.http import content_of, earlier_of, open_socket
from titans_cli.services.ask.results import Answer, Evidence
from titans_cli.session import Session
from titans_cli.store import Store

FOX = "What did the fox say about the grapes?"


class Server:
    """``titans serve`` in a process of its own."""

    def __init__(self, home, *options, **environment):
        heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - a background job inherits SIGINT ignored
        self.process = subprocess.Popen(
            [sys.executable, "-m", "titans_cli", "serve", "--port", "0", "--home", str(home), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200", **environment},
            preexec_fn=heed,
        )
        self.told = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", self.told)
        assert found, self.told + self.process.stderr.read()
        self.port = int(found[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def request(self, method, path, body=None, timeout=120, **headers):
        """Status, headers and text of the response; ``None`` leaves a header out."""
        given = {
            "Host": f"127.0.0.1:{self.port}",
            "Content-Type": "application/json",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as connection:
            connection.putrequest(method, path, skip_host=True)
            data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
            if data is not None and "Content_Length" not in headers:
                given["Content-Length"] = str(len(data))
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(data)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()

    def ask(self, *messages, **more):
        said = [{"role": role, "content": content} for role, content in messages]
        status, _, text = self.request("POST", "/v1/chat/completions", {"model": "titans", "messages": said, **more})
        assert status == 200, text
        return json.loads(text)

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


@contextmanager
def serving(home, *options, **environment):
    server = Server(home, *options, **environment)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def server(memorized):
    with serving(memorized.home) as server:
        yield server


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A server without a memory, that asks for a token."""
    root = tmp_path_factory.mktemp("closed")
    (root / "token").write_text("hidden-token\n")
    with serving(root / "none", "--token-file", str(root / "token")) as server:
        yield server


def error_of(text: str) -> dict:
    error = json.loads(text)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    return error


def test_an_answer_comes_with_its_evidence_and_its_facts(server):
    told = server.ask(("system", "You are helpful."), ("user", FOX))
    assert told["object"] == "chat.completion" and told["model"] == "titans"
    (choice,) = told["choices"]
    assert choice["finish_reason"] == "stop" and choice["message"]["role"] == "assistant"
    facts = told["titans"]
    assert list(facts) == ["version", "question", "answer", "refused", "confidence", "evidence", "elapsed_ms", "answer_kind", "closest"]
    assert choice["message"]["content"].splitlines()[0] == facts["answer"] and "sour" in facts["evidence"][0]["text"]
    assert "aesop.html" in choice["message"]["content"]
    assert told["usage"]["total_tokens"] == told["usage"]["prompt_tokens"] + told["usage"]["completion_tokens"] > 5


def test_what_is_not_in_memory_is_said_to_be_so(server):
    told = server.ask(("user", "What is the boiling point of tungsten in kelvin?"))
    assert told["choices"][0]["message"]["content"] == "Not in memory." and told["titans"]["refused"]


def test_earlier_messages_are_what_a_follow_up_speaks_of(server):
    first = server.ask(("user", "Who is the author of bzip2?"))["choices"][0]["message"]["content"]
    told = server.ask(("user", "Who is the author of bzip2?"), ("assistant", first), ("user", "What is his address?"))
    assert told["titans"]["question"] != "What is his address?"
    assert f"Understood as: {told['titans']['question']}" in told["choices"][0]["message"]["content"]


def test_content_may_be_parts_and_unknown_fields_are_passed_over(server):
    parts = [{"type": "text", "text": FOX}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert "sour" in server.ask(("user", parts), temperature=0, tools=[], nonsense={"a": 1})["titans"]["evidence"][0]["text"]


def test_an_answer_streams_as_events(server):
    body = {"messages": [{"role": "user", "content": FOX}], "stream": True, "stream_options": {"include_usage": True}}
    status, headers, text = server.request("POST", "/v1/chat/completions", body)
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    *events, done, end = text.split("\n\n")
    assert done == "data: [DONE]" and end == ""
    *chunks, last, usage = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and len({chunk["id"] for chunk in [*chunks, last]}) == 1
    content = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert content.startswith(last["titans"]["answer"]) and "aesop.html" in content
    assert last["choices"][0]["finish_reason"] == "stop" and usage["usage"]["total_tokens"] > 5 and usage["choices"] == []


def test_the_official_client_can_ask(server):
    from openai import NotFoundError, OpenAI

    with OpenAI(base_url=server.url, api_key="any", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["titans"]
        assert client.models.retrieve("titans").id == "titans"
        whole = client.chat.completions.create(model="titans", messages=[{"role": "user", "content": FOX}])
        assert whole.model_extra["titans"]["answer"] == whole.choices[0].message.content.splitlines()[0]
        with client.chat.completions.create(model="titans", messages=[{"role": "user", "content": FOX}], stream=True) as stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == whole.choices[0].message.content
        with pytest.raises(NotFoundError) as told:
            client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": FOX}])
        assert told.value.code == "model_not_found"


WRONG = {
    "no JSON": (b"{nonsense", 400, "not JSON"),
    "too deep": (b"[" * 100_000, 400, "not JSON"),
    "no text": (b"\xff\xfe", 400, "not JSON"),
    "no object": (b"[]", 400, "must be a JSON object"),
    "no messages": ({}, 400, "messages"),
    "messages of another kind": ({"messages": ["hello"]}, 400, "role"),
    "content of another kind": ({"messages": [{"role": "user", "content": 5}]}, 400, "must be text"),
    "empty": ({"messages": [{"role": "user", "content": " "}]}, 400, "contain a question"),
    "last of the assistant": ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, 400, 'role "user"'),
    "long": ({"messages": [{"role": "user", "content": "a " * 4000}]}, 400, "shorter"),
    "another model": ({"model": "gpt-4", "messages": []}, 404, 'Use "titans"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_told_what_is_wrong(server, name):
    body, status, message = WRONG[name]
    given, headers, text = server.request("POST", "/v1/chat/completions", body)
    assert given == status and message in error_of(text)["message"]
    assert headers["x-should-retry"] == "false"


def test_lone_surrogates_do_no_harm(server):
    body = b'{"messages": [{"role": "user", "content": "Who is \\ud800 the fox?\\u0000"}]}'
    assert server.request("POST", "/v1/chat/completions", body)[0] == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/embeddings", "/v1/models/gpt", "/../../etc/passwd"])
def test_what_is_not_there_is_an_error_in_the_same_format(server, path):
    status, _, text = server.request("GET", path)
    assert status == 404 and error_of(text)["type"] == "invalid_request_error"
    assert error_of(server.request("GET", "/v1/chat/completions")[2]) and server.request("DELETE", "/v1/models")[0] == 405


HEADERS = {
    "rebound name": ({"Host": "evil.example:{port}"}, 403),
    "name that begins like ours": ({"Host": "localhost.evil.example:{port}"}, 403),
    "other port": ({"Host": "127.0.0.1:1"}, 403),
    "no port": ({"Host": "127.0.0.1"}, 403),
    "user": ({"Host": "evil@127.0.0.1:{port}"}, 403),
    "nonsense": ({"Host": "127.0.0.1:{port}:1"}, 403),
    "page from elsewhere": ({"Origin": "https://evil.example"}, 403),
    "page without origin": ({"Origin": "null"}, 403),
    "origin that begins like ours": ({"Origin": "http://localhost.evil.example"}, 403),
    "form": ({"Content_Type": "text/plain"}, 415),
    "no type": ({"Content_Type": None}, 415),
}


@pytest.mark.parametrize("name", HEADERS)
def test_pages_of_a_browser_are_refused(server, name):
    headers, status = HEADERS[name]
    given = {key: value and value.format(port=server.port) for key, value in headers.items()}
    assert server.request("POST", "/v1/chat/completions", b"{}", **given)[0] == status
    assert error_of(server.request("POST", "/v1/chat/completions", b"{}", **given)[2])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_this_machine_has_several_names(server, host):
    assert server.request("GET", "/v1/models", Host=f"{host}:{server.port}")[0] == 200


def test_a_page_of_this_machine_may_ask(server):
    origin = "http://localhost:3000"
    status, headers, _ = server.request("GET", "/v1/models", Origin=origin)
    assert status == 200 and headers["access-control-allow-origin"] == origin
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization, content-type"}
    assert server.request("OPTIONS", "/v1/chat/completions", Origin=origin, **asked)[0] == 200
    assert server.request("OPTIONS", "/v1/chat/completions", Origin="http://evil.example", **asked)[0] == 403


def test_a_body_that_is_too_large_is_refused(server):
    status, _, text = server.request("POST", "/v1/chat/completions", b" " * 1_000_001)
    assert status == 413 and "1,000,000" in error_of(text)["message"]
    chunked = b"".join(b"%x\r\n%s\r\n" % (60_000, b" " * 60_000) for _ in range(20)) + b"0\r\n\r\n"
    for _ in range(5):  # the last piece may arrive with those before it, or alone
        assert server.request("POST", "/v1/chat/completions", chunked, Content_Length=None, Transfer_Encoding="chunked")[0] == 413
    assert server.request("POST", "/v1/chat/completions", b" " * 999_000)[0] == 400


@pytest.mark.parametrize("sizes", [[11], [5, 6], [5, 5, 1], [20, 5]])
def test_a_refusal_does_not_wait_for_what_will_not_come(sizes):
    async def run():
        pieces = [{"type": "http.request", "body": b" " * size, "more_body": i + 1 < len(sizes)} for i, size in enumerate(sizes)]
        told = []

        async def receive():
            return pieces.pop(0) if pieces else await anyio.sleep_forever()

        async def send(message):
            told.append(message)

        headers = [(b"host", b"127.0.0.1:1"), (b"content-type", b"application/json")]
        with anyio.fail_after(5):
            await Guard(None, 1, None, 10)({"type": "http", "method": "POST", "headers": headers}, receive, send)
        assert told[0]["status"] == 413 and not pieces

    anyio.run(run)


@pytest.mark.parametrize(
    "given",
    [None, "Bearer", "Bearer ", "Bearer other", "Basic hidden-token", "hidden-token", "Bearer hidden-token2", "Bearer hidden-toke\xf1"],
)
def test_without_the_token_nothing_is_told(closed, given):
    for method, path, body in (("GET", "/v1/models", None), ("POST", "/v1/chat/completions", b"{}"), ("GET", "/nothing", None)):
        status, headers, text = closed.request(method, path, body, **({} if given is None else {"Authorization": given}))
        assert status == 401 and headers["www-authenticate"] == "Bearer" and "hidden" not in text and error_of(text)


def test_with_the_token_all_is(closed):
    assert "requests need the token" in closed.told and "hidden-token" not in closed.told
    assert closed.request("GET", "/v1/models", Authorization="bearer hidden-token")[0] == 200


def test_without_a_memory_the_next_step_is_told(closed):
    body = {"messages": [{"role": "user", "content": FOX}]}
    status, headers, text = closed.request("POST", "/v1/chat/completions", body, Authorization="Bearer hidden-token")
    assert status == 503 and "titans ingest FOLDER" in error_of(text)["message"] and headers["x-should-retry"] == "false"


def test_questions_at_once_wait_for_each_other_and_clients_may_leave(server):
    body = json.dumps({"messages": [{"role": "user", "content": FOX}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    for sent in (b"", b"half a request", head.encode(), f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:20],
                 f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body):  # fmt: skip
        with closing(socket.create_connection(("127.0.0.1", server.port))) as connection:
            connection.sendall(sent)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.ask(("user", FOX)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1 and len(answers) == 3
    assert server.process.poll() is None


def test_what_is_memorized_meanwhile_is_known_and_ctrl_c_ends_it(copied, tmp_path):
    with serving(copied.home, TITANS_TOKEN="") as server:
        question = "What does the admiral keep in the third cabin?"
        assert "parrots" not in json.dumps(server.ask(("user", question)))
        (tmp_path / "new.txt").write_text("The admiral keeps seven parrots in the third cabin.")
        copied("ingest", tmp_path / "new.txt")
        assert "parrots" in server.ask(("user", question))["titans"]["evidence"][0]["text"]
        shutil.rmtree(copied.home)
        status, _, text = server.request("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": question}]})
        assert status == 503 and "titans ingest FOLDER" in text
        assert server.stop() == (130, "", "Interrupted.\n")


def test_it_listens_on_this_machine_alone(titans, tmp_path):
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.org", ""):
        assert "ssh -L" in titans("serve", "--host", host, code=2).stderr
    with closing(open_socket("localhost", 0)) as taken:
        address, port = taken.getsockname()
        assert address == "127.0.0.1"
        assert "--port 0" in titans("serve", "--port", port, code=1).stderr
    (tmp_path / "empty").write_text("\n")
    assert "no token" in titans("serve", "--token-file", tmp_path / "empty", code=2).stderr
    assert "Cannot read" in titans("serve", "--token-file", tmp_path / "none", code=2).stderr
    with pytest.raises(UsageError):
        open_socket("0.0.0.0", 0)
    assert issubclass(UsageError, TitansError)


def test_what_was_answered_is_read_back_out_of_the_conversation():
    evidence = (Evidence("Some\ntext.", "a.txt", 3, False, 1.0),)
    told = "".join(content_of(Answer("Who?", "The fox", 0.9, evidence, 1), "Who?"))
    assert told == "The fox\n\n> Some text.\n\n— a.txt, page 3 (from vague memory)"
    refused = "".join(content_of(Answer("Why?", None, 0.9, (), 1), "Why?"))
    turns = [("user", "Who?"), ("assistant", told), ("user", "Why?"), ("assistant", refused), ("assistant", "x"), ("user", "y")]
    assert earlier_of(turns) == (("Who?", "The fox"), ("Why?", None))


def test_an_answer_counts_once_for_its_documents_and_a_refusal_not_at_all(server, memorized):
    def counts() -> Counter[str]:
        with Store.open(memorized.home) as store:
            return Counter(store.bookkeeping.answers())

    before = counts()
    server.ask(("user", "What is the boiling point of tungsten in kelvin?"))
    server.ask(("user", FOX))
    deadline = time.monotonic() + 10
    while counts() == before and time.monotonic() < deadline:  # counted when the answer was sent
        time.sleep(0.05)
    (path,) = counts() - before
    assert path.endswith("aesop.html") and counts()[path] == before[path] + 1


def test_a_memory_that_changes_while_a_question_is_answered_is_asked_again(copied):
    session, asked = Session(copied.home), []

    def work(assistant):
        asked.append(assistant)
        if len(asked) == 1:
            copied("forget", "aesop.html", "--everywhere")
            raise DamagedError("The shard is gone.")
        return len(assistant.documents)

    assert session.read(work) == 3 and asked[0] is not asked[1]

    def fail(assistant):
        asked.append(assistant)
        raise DamagedError("The shard is gone.")

    with pytest.raises(DamagedError):
        session.read(fail)
    assert len(asked) == 3  # nothing has changed: once is enough
    with pytest.raises(TitansError, match="nowhere"):
        session.read(lambda _: (copied.home / "nowhere").read_bytes())
    with pytest.raises(ZeroDivisionError):
        session.read(lambda _: 1 / 0)


def test_what_is_not_needed_is_not_loaded():
    code = "import sys, titans_cli.app; assert not {'mcp', 'openai', 'starlette', 'uvicorn', 'pydantic', 'torch'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_package_is_named(titans, monkeypatch):
    monkeypatch.setattr("titans_cli.commands.options.find_spec", lambda name: None)
    for extra in ("mcp", "serve"):
        assert f'pip install "titans-cli[{extra}]"' in titans(extra, code=2).stderr
