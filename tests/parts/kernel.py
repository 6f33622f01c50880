"""A page of a Jupyter server: kernel.py URL ADDRESS TOKEN starts a kernel and prints what it answers to 6 * 7.

Its requests are for the host of URL, as a browser sends them, and are sent to ADDRESS.
"""

import json
import sys
import uuid
from http.client import HTTPConnection
from socket import create_connection
from urllib.parse import urlsplit

from websockets.sync.client import connect

url, address, token = sys.argv[1:]
place = urlsplit(url)
origin = f"{place.scheme}://{place.netloc}"
access = {"Authorization": f"token {token}"}

page = HTTPConnection(address, timeout=60)
page.request("POST", f"{place.path}/api/kernels", b"{}", {**access, "Host": place.netloc, "Origin": origin})
answer = page.getresponse()
if answer.status != 201:
    print("refused", answer.status)
    sys.exit()
kernel, session = json.load(answer)["id"], str(uuid.uuid4())

host, port = address.split(":")
channels = f"ws://{place.netloc}{place.path}/api/kernels/{kernel}/channels?session_id={session}"
opened = create_connection((host, int(port)))
with connect(channels, sock=opened, origin=origin, additional_headers=access) as socket:
    header = {"msg_id": "1", "msg_type": "execute_request", "username": "", "session": session, "version": "5.3"}
    content = {"code": "6 * 7", "silent": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    socket.send(json.dumps(message))
    while True:
        heard = json.loads(socket.recv(timeout=60))
        if heard["msg_type"] == "execute_result":
            print(heard["content"]["data"]["text/plain"])
            break
