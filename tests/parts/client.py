"""A client of a room whose application is echo.cjs: client.py plain|large URL"""

import json
import sys

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

MIB = 1024 * 1024


def plain(url):
    with connect(url, subprotocols=["one", "two"], additional_headers={"Cookie": "a=b; c=d"}) as socket:
        assert socket.subprotocol == "one", socket.subprotocol
        assert socket.protocol.extensions, "no compression was agreed on"
        for message in ["grüße", b"\0\xff", "", b"", "long " * 100_000]:
            socket.send(message)
            assert socket.recv() == message
        socket.send(["in ", "three ", "pieces"])
        assert socket.recv() == "in three pieces"
        assert socket.ping("p").wait(10)
        socket.send("head")
        print(json.dumps({"head": json.loads(socket.recv())}))
        socket.send("close")
        try:
            socket.recv()
        except ConnectionClosed as closed:
            print("closed", closed.rcvd.code, closed.rcvd.reason)


def large(url):
    message = bytes(range(256)) * (100 * MIB // 256)
    with connect(url, max_size=None, compression=None, close_timeout=60) as socket:
        socket.send(message)
        assert socket.recv(timeout=60) == message
    print("echoed", len(message))


{"plain": plain, "large": large}[sys.argv[1]](sys.argv[2])
