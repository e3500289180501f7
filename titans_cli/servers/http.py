"""``titans serve``: a chat API compatible with OpenAI's, for programs on this machine."""

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from titans_cli.encoding import well_formed
from titans_cli.errors import NoStoreError, TitansError, UsageError
from titans_cli.output.json_output import of_answer
from titans_cli.output.terminal import VERSION
from titans_cli.servers.guard import BODY, LOOPBACK_ORIGIN, Guard, error_response
from titans_cli.services.ask.follow_up import ask_in_conversation
from titans_cli.services.ask.results import NOT_IN_MEMORY, NOT_SURE, OTHERS, Answer, Evidence
from titans_cli.services.usage import count_answer
from titans_cli.session import Session

__all__ = ["MODEL", "make_app", "open_socket", "serve"]

MODEL = "titans"
HOSTS = ("127.0.0.1", "localhost")
QUESTION = 4_000
"""Most characters of a question; the model reads a few hundred words of it."""


@dataclass(frozen=True)
class Asked:
    """The parts of a chat request that titans uses."""

    question: str
    earlier: tuple[tuple[str, str | None], ...]  # questions and answers, in their order; None where there was none
    stream: bool
    usage: bool  # whether a stream tells at its end how many tokens it took


class RequestError(TitansError):
    """An invalid request; ``code`` and ``field`` as in OpenAI's errors."""

    def __init__(self, message: str, field: str | None = None, code: str | None = None, status: int = 400):
        super().__init__(message)
        self.field, self.code, self.status = field, code, status


def parse(body: bytes) -> Asked:
    """Check the body of a chat request. Raises RequestError."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"The body is not JSON ({str(error)[:100]}).", code="invalid_json") from error
    if not isinstance(request, dict):
        raise RequestError('The body must be a JSON object, such as {"model": "titans", "messages": [...]}.')
    if request.get("model", MODEL) != MODEL:
        raise RequestError(f'Unknown model. Use "{MODEL}".', "model", "model_not_found", 404)
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError('Give "messages": [{"role": "user", "content": "…"}].', "messages")
    said = [(message.get("role"), text_of(message.get("content"))) if isinstance(message, dict) else (None, "") for message in messages]
    if any(not isinstance(role, str) for role, _ in said):
        raise RequestError('Each of "messages" must be an object with "role" and "content".', "messages")
    turns = [(role, text.strip()) for role, text in said if role in ("user", "assistant")]
    if not turns or turns[-1][0] != "user" or not turns[-1][1]:
        raise RequestError('The last of "messages" must have the role "user" and contain a question.', "messages")
    if len(turns[-1][1]) > QUESTION:
        raise RequestError(f"The question has more than {QUESTION:,} characters. Ask a shorter one.", "messages", "question_too_long")
    options = request.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    return Asked(turns[-1][1], earlier_of(turns[:-1]), request.get("stream") is True, usage)


def text_of(content: object) -> str:
    """A message's text: a string, or a list of parts. Raises RequestError."""
    if content is None:
        return ""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") in ("text", "input_text")]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        raise RequestError('"content" must be text.', "messages")
    return well_formed(content)


def earlier_of(turns: Sequence[tuple[str, str]]) -> tuple[tuple[str, str | None], ...]:
    """Earlier questions with their answers, as ``content_of`` wrote them."""
    pairs = []
    for (role, question), (next_role, reply) in pairwise(turns):
        if role == "user" and next_role == "assistant" and question:
            answer = reply.partition("\n")[0].strip()
            pairs.append((question, None if answer in ("", NOT_IN_MEMORY, NOT_SURE) else answer))
    return tuple(pairs)


def content_of(answer: Answer, asked: str) -> Iterator[str]:
    """The answer as text, in pieces: the answer alone on the first line, then the evidence and the closest passages."""
    yield answer.headline
    yield from quoted(answer.evidence)
    yield f"\n\n{OTHERS}" if answer.evidence and answer.closest else ""
    yield from quoted(answer.closest)
    if answer.question != asked:
        yield f"\n\nUnderstood as: {answer.question}"


def quoted(pieces: Iterable[Evidence]) -> Iterator[str]:
    """Recited passages as Markdown, with their places."""
    for evidence in pieces:
        page = "" if evidence.page is None else f", page {evidence.page}"
        yield f"\n\n> {' '.join(evidence.text.split())}\n\n— {evidence.document}{page}"
        labels = [] if evidence.verbatim else ["from vague memory"]
        labels += ["imported memory"] if evidence.imported else []
        yield f" ({', '.join(labels)})" if labels else ""


class Chat:
    """Answers one request at a time. A request whose client has disconnected is skipped."""

    def __init__(self, session: Session, report: Callable[[str], None]):
        self.session = session
        self.report = report
        self.one = anyio.Lock()
        self.created = int(time.time())

    async def models(self, request: Request) -> Response:
        model = {"id": MODEL, "object": "model", "created": self.created, "owned_by": "titans"}
        name = request.path_params.get("name")
        if name is None:
            return JSONResponse({"object": "list", "data": [model]})
        return JSONResponse(model) if name == MODEL else error_response(404, f'Unknown model. Use "{MODEL}".', "model_not_found")

    async def complete(self, request: Request) -> Response:
        try:
            asked = parse(await request.body())
            async with self.one:
                if await request.is_disconnected():
                    return Response(status_code=499)
                answer, counts = await anyio.to_thread.run_sync(self.answer, asked)
        except RequestError as error:
            return error_response(error.status, str(error), error.code, error.field)
        except UsageError as error:
            return error_response(400, str(error))
        except TitansError as error:
            code = "no_memory" if isinstance(error, NoStoreError) else "memory_unusable"
            return error_response(503, str(error), code)
        except Exception as error:
            self.report(f"Failed to answer a question ({type(error).__name__}: {error}).")
            return error_response(500, "Internal error. See the terminal where titans serve runs.")
        whole = self.completion(asked, answer, counts)
        shown = BackgroundTask(count_answer, self.session.home, answer)
        if asked.stream:
            return StreamingResponse(
                self.events(asked, answer, whole),
                media_type="text/event-stream",
                headers={"cache-control": "no-store"},
                background=shown,
            )
        return Response(json.dumps(whole), media_type="application/json", background=shown)

    def answer(self, asked: Asked) -> tuple[Answer, tuple[int, int]]:
        """The answer, and the token counts of the question and of the reply. Raises TitansError."""
        earlier = [Answer(question, said, 1.0, (), 0) for question, said in asked.earlier]
        answer = self.session.read(lambda assistant: ask_in_conversation(assistant, asked.question, earlier))
        tokenizer = self.session.models.tokenizer
        told = "".join(content_of(answer, asked.question))
        return answer, (len(tokenizer.encode_ordinary(asked.question)), len(tokenizer.encode_ordinary(told)))

    def completion(self, asked: Asked, answer: Answer, counts: tuple[int, int]) -> dict[str, Any]:
        message = {"role": "assistant", "content": "".join(content_of(answer, asked.question)), "refusal": None}
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": sum(counts)},
            "titans": {"version": VERSION, **of_answer(answer)},
        }

    def events(self, asked: Asked, answer: Answer, whole: dict[str, Any]) -> Iterator[str]:
        """The same reply as server-sent events."""
        head = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

        def event(delta: dict[str, Any], end: str | None = None, **more: Any) -> str:
            return sent({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": end}], **more})

        yield event({"role": "assistant", "content": ""})
        for piece in content_of(answer, asked.question):
            if piece:
                yield event({"content": piece})
        yield event({}, "stop", titans=whole["titans"])
        if asked.usage:
            yield sent({**head, "choices": [], "usage": whole["usage"]})
        yield "data: [DONE]\n\n"


def sent(facts: dict[str, Any]) -> str:
    return f"data: {json.dumps(facts)}\n\n"


def make_app(session: Session, port: int, token: str | None, report: Callable[[str], None]) -> Starlette:
    """The application for a server at ``port``. ``report`` is called with a line about each unexpected error."""
    chat = Chat(session, report)

    async def refuse(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        known = {
            404: "Not found. Use /v1/chat/completions or /v1/models.",
            405: "Wrong method. Use POST for /v1/chat/completions, GET for /v1/models.",
        }
        return error_response(status, known.get(status, "The request failed."))

    routes = [
        Route("/v1/models", chat.models),
        Route("/v1/models/{name}", chat.models),
        Route("/v1/chat/completions", chat.complete, methods=["POST"]),
    ]
    guards = [
        Middleware(Guard, port=port, token=token, body=BODY),
        Middleware(CORSMiddleware, allow_origin_regex=LOOPBACK_ORIGIN, allow_methods=["GET", "POST"], allow_headers=["*"]),
    ]
    return Starlette(routes=routes, middleware=guards, exception_handlers={HTTPException: refuse, Exception: refuse})


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1. Raises UsageError for another host, TitansError for a port in use."""
    if host not in HOSTS:
        raise UsageError(
            f"titans serve listens only on 127.0.0.1, not on {host}, because anyone who can connect can read the memory. "
            f"From another machine, use a tunnel: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"
        )
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise TitansError(f"Cannot use port {port} ({error.strerror}). Choose another: titans serve --port 0") from error
    return listening


def serve(session: Session, listening: socket.socket, token: str | None, report: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. Raises KeyboardInterrupt after the server has closed."""
    app = make_app(session, listening.getsockname()[1], token, report)
    quiet: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False, "server_header": False}
    config = uvicorn.Config(app, ws="none", lifespan="off", proxy_headers=False, timeout_graceful_shutdown=3, **quiet)
    threading.Thread(target=session.warm).start()
    uvicorn.Server(config).run(sockets=[listening])
