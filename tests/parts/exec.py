"""A stand-in for the Docker daemon that runs `docker exec -i NAME PROGRAM`: exec.py PORT

The real program answers the same requests: an exec is made, then started by a POST with a body and an upgrade, behind
whose 101 the two ends of the program's standard streams are bytes (Docker Engine API, "Hijacking"). Output is framed: one byte
of kind, three of zero, four of length.
"""

import json
import struct
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64", "Version": "20.10.24"}
commands = {}


class Daemon(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, value, status=200):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Api-Version", VERSION["ApiVersion"])
        self.send_header("Ostype", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.answer("OK")

    def do_GET(self):
        path = self.path.rsplit("/", 2)
        if self.path.endswith("/_ping"):
            self.answer("OK")
        elif self.path.endswith("/version"):
            self.answer(VERSION)
        elif path[-1] == "json" and path[-2] in commands:
            self.answer({"ID": path[-2], "Running": False, "ExitCode": commands[path[-2]]["code"]})
        else:
            self.answer({"Id": "box", "Config": {"Tty": False}, "State": {"Running": True}})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/containers/box/exec"):
            name = str(len(commands))
            commands[name] = {"args": asked["Cmd"], "code": None}
            self.answer({"Id": name}, 201)
            return
        assert self.headers["Upgrade"] == "tcp", self.headers["Upgrade"]
        self.send_response(101)
        self.send_header("Content-Type", "application/vnd.docker.raw-stream")
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        self.run(commands[self.path.rsplit("/", 2)[-2]])
        self.close_connection = True

    def run(self, command):
        program = subprocess.Popen(command["args"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def feed():
            while piece := self.rfile.read1(65536):
                program.stdin.write(piece)
                program.stdin.flush()
            program.stdin.close()

        Thread(target=feed, daemon=True).start()
        while piece := program.stdout.read1(65536):
            self.wfile.write(struct.pack(">BxxxL", 1, len(piece)) + piece)
        command["code"] = program.wait()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Daemon).serve_forever()
