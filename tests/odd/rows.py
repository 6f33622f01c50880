"""The odd answers and requests whose verdicts `measure.py` writes into the tables of core/tests/http1/odd."""

OK = "HTTP/1.1 200 OK\r\n"
LEN = OK + "Content-Length: 5\r\n"
CHUNKED = OK + "Transfer-Encoding: chunked\r\n\r\n"
LAST = "0\r\n\r\n"
HELLO = "5\r\nhello\r\n"


def sized(line):
    return LEN + line + "\r\n\r\nhello"


def framed(lines, body="hello"):
    return OK + lines + "\r\n\r\n" + body


def started(line):
    return line + "\r\nContent-Length: 5\r\n\r\nhello"


ANSWERS = (
    # White space.
    [framed(f"Content-Length:{a}5{b}") for a, b in [("", ""), ("  ", ""), ("\t", ""), (" ", " "), (" ", "\t"), (" \t ", " \t")]]
    + [framed(f"Transfer-Encoding:{a}chunked{b}", HELLO + LAST) for a, b in [("", ""), ("  ", ""), ("\t", ""), (" ", "  "), (" ", "\t")]]
    + [sized(line) for line in ["X:  y", "X:\ty", "X: y  ", "X:y\t", "X:", "X: ", "X : y", "X\t: y", "X  : y", "Content-Type : a/b"]]
    # Line ends.
    + [LEN.replace("\r\n", "\n") + "\nhello", OK[:-2] + "\nContent-Length: 5\r\n\r\nhello", LEN + "X: y\n\r\nhello",
       LEN + "\nhello", sized("X: y\rZ: w"), sized("X: y\r"), "HTTP/1.1 200 O\rK\r\nContent-Length: 5\r\n\r\nhello",
       LEN + "\r\r\nhello", "\r\n" + sized("X: y"), "\n" + sized("X: y")]
    # Folded lines.
    + [sized(line) for line in ["X: a\r\n b", "X: a\r\n\tb", "X: a\r\n  \t b\r\n c", "X:\r\n a", "X: a\n b", "X: a\r\n "]]
    + [OK + " X: y\r\nContent-Length: 5\r\n\r\nhello", framed("Content-Length:\r\n 5"), framed("Transfer-Encoding:\r\n chunked", HELLO + LAST)]
    # Lengths.
    + [framed(lines) for lines in [
        "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\ncontent-length: 05", "Content-Length: 5, 5", "Content-Length: 5,5",
        "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 6", "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5",
        "Content-Length:", "Content-Length: 5x", "Content-Length: 5 5", "Content-Length: 5;", "Content-Length: 5,", "Content-Length: 5.0",
        "Content-Length: 05", "Content-Length: 00000000000000000005", "Content-Length: 18446744073709551621", "Content-Length: \"5\"", "Content_Length: 5"]]
    # Codings.
    + [framed(lines, HELLO + LAST) for lines in [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked",
        "Content-Length: -5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked", "Transfer-Encoding:", "Transfer-Encoding: Chunked", "Transfer_Encoding: chunked", "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: \"chunked\""]]
    + ["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO + LAST,
       "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n" + HELLO + LAST]
    # Chunks.
    + [CHUNKED + body for body in [
        "5 \r\nhello\r\n" + LAST, "5\t\r\nhello\r\n" + LAST, "5     \r\nhello\r\n0  \r\n\r\n", " 5\r\nhello\r\n" + LAST, "5 ;a\r\nhello\r\n" + LAST,
        "5; a\r\nhello\r\n" + LAST, "5;a = b\r\nhello\r\n" + LAST, "5;\r\nhello\r\n" + LAST, "5;a=\r\nhello\r\n" + LAST, "5;a=\"b\r\nhello\r\n" + LAST,
        "5\nhello\r\n" + LAST, "5\r\nhello\n" + LAST, "5\nhello\n0\n\n", "5;a\nhello\r\n" + LAST, "5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n", "5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n", "5\r\nhello\r\n0\r\nX : y\r\n\r\n", "5\r\nhello\r\n0\r\nX\r\n\r\n",
        "5\rhello\r\n" + LAST, "5\r\nhelloX\r\n" + LAST, "+5\r\nhello\r\n" + LAST, "-5\r\nhello\r\n" + LAST, "0x5\r\nhello\r\n" + LAST, "\r\nhello\r\n" + LAST,
        "00000000000000000005\r\nhello\r\n" + LAST, "0000000000000005\r\nhello\r\n" + LAST, "5 x\r\nhello\r\n" + LAST, "g\r\nhello\r\n" + LAST, "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n"]]
    # Fields.
    + [sized(line) for line in ["X: a\x01b", "X: a\x7fb", "X: a\x00b", "X: \x1b[2J", "X", "X y", ": y", "X\xe4: y", "X: \xe4", "X(: y", "X@: y",
        "Connection: close keep-alive", "Connection: a b", "Connection: @", "Connection: ,,", "Connection: Set-Cookie\r\nSet-Cookie: a=b", "Connection: Content-Length"]]
    + [sized("X: " + "y" * 17000), sized("\r\n".join(f"X-{at}: y" for at in range(230))), sized("X: " + "y" * 58000), sized("\r\n".join(f"X-{at}: y" for at in range(300)))]
    # Status lines.
    + [started(line) for line in ["HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.9 200 OK", "HTTP/3.0 200 OK", "HTTP/2 200 OK", "HTTP/0.9 200 OK", "http/1.1 200 OK",
        "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 600 X", "HTTP/1.1 999 X", "HTTP/1.1 1000 X", "HTTP/1.1 99 X", "HTTP/1.1 000 X",
        "HTTP/1.1 2xx X", "HTTP/1.1 +200 X", "HTTP/1.1 200OK", "HTTP/1.1 200 \x01", "HTTP/1.1 200 \x00", "HTTP/1.1 200 \xe4", "ICY 200 OK", "HTTP/01.1 200 OK", " HTTP/1.1 200 OK", "SIP/2.0 200 OK"]]
)


def get(line="", target="/", version="HTTP/1.1"):
    return f"GET {target} {version}\r\nHost: a\r\n{line}" + ("\r\n" if line else "") + "\r\n"


def post(lines, body="hello"):
    return f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}"


REQUESTS = (
    [post(f"Content-Length:{a}5{b}") for a, b in [("", ""), ("  ", ""), ("\t", ""), (" ", " "), (" ", "\t")]]
    + [post(f"Transfer-Encoding:{a}chunked{b}", HELLO + LAST) for a, b in [("", ""), ("  ", ""), ("\t", ""), (" ", " ")]]
    + [post(f"Content-Length: {v}") for v in ["+5", "-5", "0x5", "5,5", "5, 6", "", "5 5", "05", "18446744073709551621"]]
    + [post(lines, HELLO + LAST) for lines in ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer_Encoding: chunked"]]
    + [post(lines) for lines in ["Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6", "Content-Length : 5", "Content_Length: 5"]]
    + [post("Transfer-Encoding: chunked", body) for body in ["5 \r\nhello\r\n" + LAST, "5\nhello\r\n" + LAST, "5;a\nhello\r\n" + LAST, "5\r\nhello\n" + LAST, "+5\r\nhello\r\n" + LAST, "\r\n" + LAST, "5; a\r\nhello\r\n" + LAST]]
    + ["\r\n" + get(), "\r\n\r\n" + get(), "\r\n\r\n\r\n" + get(), "\r\n" * 4 + get(), "\r\n" * 5 + get(), "\n" + get(), get().replace("\r\n", "\n"), get("X: y\rZ: w"), get("X: a\r\n b"), get("X : y"), get("X"), get(": y"),
       get("X: a\x00b"), get("X: a\x01b"), get("X: \xe4"), get("Connection: a b"), get("Connection: Authorization"), get("Host: b"),
       get(version="HTTP/1.2"), get(version="HTTP/1.9"), get(version="HTTP/2.0"), get(version="HTTP/0.9"), get(version="http/1.1"), get(version="HTTP/1.10"),
       get(target="/|"), get(target="/?{}^"), get(target="/\xc3\xbc"), get(target="//a"), get(target="/a%7Eb"), get(target="/a%2fb"), get(target="/%00"), get(target="/../a"), get(target="a"),
       "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"]
)
