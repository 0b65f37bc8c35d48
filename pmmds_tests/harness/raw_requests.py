"""Byte streams that HTTP parsers are known to interpret differently, with the service's expected responses.

Not here: sending them (serving/http/test_request_framing.py,
serving/http/test_proxy.py).
"""

from __future__ import annotations

from dataclasses import dataclass

PATH = b"/echo"
HOST = b"Host: here\r\n"
# A valid request, which a stream may smuggle in its body.
INNER = b"POST /inner HTTP/1.1\r\nHost: inner\r\nContent-Length: 2\r\n\r\nhi"
UPGRADES = (b"h2c", b"websocket", b"made-up/1", b"h2c, websocket")


@dataclass(frozen=True)
class Stream:
    """A byte stream, the status of each response, and the body of each complete request."""

    name: str
    data: bytes
    statuses: tuple[int, ...]
    bodies: tuple[bytes, ...] = ()

    @property
    def is_refused_behind_answers(self) -> bool:
        """Return True if the error comes after other responses."""
        return len(self.statuses) > 1 and self.statuses[-1] >= 400


def post(*headers: bytes, body: bytes = b"", path: bytes = PATH, version: bytes = b"1.1", host: bytes = HOST) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST %b HTTP/%b\r\n%b%b\r\n%b" % (path, version, host, lines, body)


def sized(body: bytes, *headers: bytes, path: bytes = PATH) -> bytes:
    return post(*headers, b"Content-Length: %d" % len(body), body=body, path=path)


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
GET = b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n"


def _taken() -> list[Stream]:
    return [
        Stream("length", sized(b"abc"), (200,), (b"abc",)),
        Stream("no body", GET, (200,), (b"",)),
        Stream("length of a prediction", sized(b"{}", path=b"/api/v1/predict"), (200,), (b"{}",)),
        Stream("a request as a body", sized(INNER), (200,), (INNER,)),
        Stream("a request as a prediction's body", sized(INNER, path=b"/api/v1/predict"), (200,), (INNER,)),
        Stream("empty lines as a body", sized(b"\r\n" * 40 + INNER), (200,), (b"\r\n" * 40 + INNER,)),
        Stream("chunked", post(CHUNKED, body=CHUNKS), (200,), (b"abcde",)),
        Stream("chunked, spelled Chunked", post(b"transfer-encoding: Chunked", body=CHUNKS), (200,), (b"abcde",)),
        Stream("a prediction, chunked", post(CHUNKED, body=CHUNKS, path=b"/api/v1/predict"), (200,), (b"abcde",)),
        Stream(
            "a trailer",
            post(CHUNKED, body=b"1\r\nx\r\n0\r\nX-Request-ID: t\r\n\r\n"),
            (200,),
            (b"x",),
        ),
        Stream(
            "a request in a chunk", post(CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)), (200,), (INNER,)
        ),
        Stream("pipelined", sized(b"1") + GET + sized(b"22", path=b"/api/v1/predict"), (200,) * 3, (b"1", b"", b"22")),
        Stream("pipelined behind chunks", post(CHUNKED, body=CHUNKS) + GET, (200, 200), (b"abcde", b"")),
        Stream("empty lines between", GET + b"\r\n\r\n" + GET, (200, 200), (b"", b"")),
        Stream("the last request of a connection", sized(b"x", b"Connection: close") + INNER, (200,), (b"x",)),
        Stream(
            "the last prediction", sized(b"x", b"Connection: close", path=b"/api/v1/predict") + INNER, (200,), (b"x",)
        ),
        Stream("HTTP/1.0", post(b"Content-Length: 1", body=b"x", version=b"1.0") + INNER, (200,), (b"x",)),
        Stream("HTTP/1.0 without Host", b"GET /echo HTTP/1.0\r\n\r\n", (200,), (b"",)),
        Stream("absolute form", b"GET http://other/echo HTTP/1.1\r\n" + HOST + b"\r\n", (200,), (b"",)),
    ]


def _refused() -> list[Stream]:
    refused = {
        "length and chunked": post(b"Content-Length: 3", CHUNKED, body=CHUNKS),
        "chunked and length": post(CHUNKED, b"Content-Length: 3", body=CHUNKS),
        "two lengths": post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
        "one length twice": post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
        "a list of lengths": post(b"Content-Length: 5, 5", body=b"abcde"),
        "length +3": post(b"Content-Length: +3", body=b"abc"),
        "length -3": post(b"Content-Length: -3", body=b"abc"),
        "length 0x3": post(b"Content-Length: 0x3", body=b"abc"),
        "length 1_0": post(b"Content-Length: 1_0", body=b"0123456789"),
        "length empty": post(b"Content-Length:", body=b"abc"),
        "length huge": post(b"Content-Length: 99999999999999999999999", body=b"abc"),
        "a space before the colon": post(b"Transfer-Encoding : chunked", body=CHUNKS),
        "a folded header": post(b"X-One: a\r\n b", b"Content-Length: 3", body=b"abc"),
        "a folded coding": post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS),
        "a header without a colon": post(b"nothing", b"Content-Length: 1", body=b"x"),
        "NUL in a header": post(b"X-One: a\0b"),
        "a bare CR in a header": post(b"X-One: a\rb"),
        "a space in a header name": post(b"X One: a"),
        "a chunk's size 0x3": post(CHUNKED, body=b"0x3\r\nabc\r\n0\r\n\r\n"),
        "a chunk's size overflows": post(CHUNKED, body=b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        "an unfinished chunk": post(CHUNKED, body=b"3\r\nabcd\r\n0\r\n\r\n"),
        "chunk lines that end with LF": post(CHUNKED, body=b"3\nabc\n0\n\n"),
        "no Host": post(host=b""),
        "no Host, a prediction": post(b"Content-Length: 2", body=b"{}", path=b"/api/v1/predict", host=b""),
        "two Hosts": post(b"Host: other"),
        "one Host twice": post(b"Host: here"),
        "two Hosts, a prediction": post(b"Host: other", b"Content-Length: 2", body=b"{}", path=b"/api/v1/predict"),
        "HTTP/1.0 with chunks": post(CHUNKED, body=CHUNKS, version=b"1.0"),
        "chunked, chunked": post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS),
        "chunked twice": post(CHUNKED, CHUNKED, body=CHUNKS),
        "HTTP/1.2": b"GET /echo HTTP/1.2\r\n" + HOST + b"\r\n",
        "HTTP/1.10": b"GET /echo HTTP/1.10\r\n" + HOST + b"\r\n",
        "TLS": b"\x16\x03\x01 hello\r\n\r\n",
        "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    }
    return [Stream(name, data, (400,)) for name, data in refused.items()]


def _refused_otherwise() -> list[Stream]:
    codings = (b"identity", b"gzip", b"gzip, chunked", b"identity, chunked")
    found = [
        Stream(f"coding {coding.decode()!r}", post(b"Transfer-Encoding: " + coding, body=CHUNKS), (501,))
        for coding in codings
    ]
    found += [
        Stream("HTTP/0.9", b"GET /echo\r\n\r\n", (505,)),
        Stream("gzip, then chunked", post(b"Transfer-Encoding: gzip", CHUNKED, body=CHUNKS), (501,)),
        Stream("CONNECT", b"CONNECT here:443 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER, (405,)),
        Stream("CONNECT of a path", b"CONNECT /echo HTTP/1.1\r\n" + HOST + b"\r\n" + INNER, (405,)),
        Stream("HTTP/2.0", b"GET /echo HTTP/2.0\r\n" + HOST + b"\r\n", (505,)),
        Stream("many headers", post(*(b"X-%d: a" % i for i in range(120))), (431,)),
        Stream(
            "a rejected request after others", GET + GET + post(b"Host: other") + INNER, (200, 200, 400), (b"", b"")
        ),
    ]
    return found


STREAMS = [*_taken(), *_refused(), *_refused_otherwise()]


def asking_for(data: bytes, upgrade: bytes) -> bytes:
    """Return the same stream with an Upgrade header in its first request."""
    line, _, rest = data.partition(b"\r\n")
    return b"%b\r\nConnection: Upgrade\r\nUpgrade: %b\r\n%b" % (line, upgrade, rest)
