"""An agent in Python: serves http://127.0.0.1:BACKEND_PORT through a plugboard, by section 18 of PROTOCOL.md.

pip install websockets
read -rs TELEPHONE_TOKEN && export TELEPHONE_TOKEN
PLUGBOARD_URL=ws://127.0.0.1:4000/.well-known/telephone MOUNT_PATH=/api BACKEND_PORT=3000 python3 agent.py
It gives no credit and takes what comes: uploads wait in its memory until the backend takes them.
SIGTERM and Ctrl-C let the requests in progress finish, for at most 30 s.
"""
import base64, contextlib, http.client, json, os, queue, random, signal, sys, threading, time
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

AUTH = {"token": os.environ["TELEPHONE_TOKEN"], "mounts": os.environ["MOUNT_PATH"].split(","), "agent": "agent.py",
        "instance": os.environ.get("INSTANCE", "python"), "epoch": int(time.time() * 1000),
        "settings": {"streams": 2**53 - 1, "stream_floor": 2**53 - 1}}
OWN = {"content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"}

def may_open(mount, target):  # What was registered, at its path or below it.
    base, path = mount[mount.find("/"):].rstrip("/") if "/" in mount else "", target.split("?")[0]
    return mount in AUTH["mounts"] and (f"{path}/".startswith(f"{base}/") or (path == "*" and not base))

class Stream(threading.Thread):  # One request. What the link's thread has for it goes to `hear`.
    def __init__(self, request, send):
        super().__init__(daemon=True)
        self.request, self.send, self.body, self.moved = request, send, queue.Queue(), threading.Condition()
        self.limit, self.is_over = request["grant"], False

    def hear(self, kind, data):
        if kind != "credit": self.body.put(base64.b64decode(data["base64"]) if kind == "data" else None)
        with self.moved:
            self.limit, self.is_over = data.get("limit", self.limit), self.is_over or kind in ("stop", "error")
            self.moved.notify()

    def run(self):
        try: self.exchange(http.client.HTTPConnection("127.0.0.1", int(os.environ["BACKEND_PORT"])))
        except ConnectionRefusedError: self.send("error", code="unreachable", touched="no")
        except (EOFError, OSError, http.client.HTTPException):
            self.send("error", code="stopped" if self.is_over else "backendfailed", touched="unknown")

    def upload(self):
        yield from iter(self.body.get, None)
        if self.is_over: raise EOFError

    def exchange(self, backend):
        request, headers, sent = self.request, http.client.HTTPMessage(), 0
        for name, value in request["headers"]: headers[name] = value  # Appends: a name may come twice.
        if "length" in request: headers["Content-Length"] = str(request["length"])
        backend.request(request["method"], request["target"], None if request.get("end") else self.upload(), headers)
        response = backend.getresponse()
        length, is_empty = response.headers["Content-Length"], request["method"] == "HEAD" or response.status in (204, 304)
        fields = [field for field in response.getheaders() if field[0].lower() not in OWN]
        self.send("http_response", status=response.status, reason=response.reason, headers=fields, end=is_empty,
                  length=length and int(length))
        while not is_empty:
            with self.moved: self.moved.wait_for(lambda: self.limit > sent or self.is_over)
            piece = response.read1(min(16384, self.limit - sent))
            if self.is_over or (not piece and response.length): raise EOFError  # Given up, or cut short.
            if not piece: return self.send("end")
            self.send("data", base64=base64.b64encode(piece).decode())
            sent += len(piece)

def leave():  # The plugboard opens nothing more; a request that crossed this and came too late goes to another session.
    threading.Timer(30, os._exit, [1]).start()
    with contextlib.suppress(NameError, WebSocketException):
        link.send(json.dumps({"type": "leave", "data": {"code": "draining", "last": last}}))
        while threads := [thread for thread in threading.enumerate() if isinstance(thread, Stream)]: threads[0].join()
        link.close()
    os._exit(0)

def serve(link, streams):
    global last
    last = 0
    def send(kind, **data):
        with contextlib.suppress(WebSocketException): link.send(json.dumps({"type": kind, "data": data}))
    send("auth", **AUTH)
    for kind, data in ((message["type"], message.get("data", {})) for message in map(json.loads, link)):
        if kind == "auth_error": raise OSError(data["reason"])
        elif kind == "auth_success": print("connected", flush=True)
        elif kind == "ping": send("pong", **data)
        elif kind == "http_request" and not may_open(data["mount"], data["target"]):
            send("error", stream=data["stream"], code="denied", touched="no")
        elif kind == "http_request":
            last = max(last, data["stream"])
            streams[data["stream"]] = Stream(data, lambda kind, n=data["stream"], **data: send(kind, stream=n, **data))
            streams[data["stream"]].start()
        elif data.get("stream") in streams: streams[data["stream"]].hear(kind, data)
        for number in [number for number, stream in streams.items() if not stream.is_alive()]: del streams[number]

for number in signal.SIGTERM, signal.SIGINT: signal.signal(number, lambda *_: threading.Thread(target=leave, daemon=True).start())
delay, streams = 1, {}
while True:
    began = time.time()
    try:
        with connect(os.environ["PLUGBOARD_URL"], subprotocols=["telephone.v1.json"], compression=None) as link:
            serve(link, streams)
    except (OSError, WebSocketException) as error: print(f"the link is lost: {error}", file=sys.stderr)
    for stream in streams.values(): stream.hear("error", {})
    delay, streams = 1 if time.time() - began > 60 else min(delay * 2, 30), {}
    time.sleep(random.uniform(0, delay))
