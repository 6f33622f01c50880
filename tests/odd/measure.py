"""Measures what curl, Go and nginx make of the odd rows, and writes the tables that the tests of core read.

Run by hand: `python3 tests/odd/measure.py` (needs curl, go and nginx). The column `ours` and the reasons of a row that is
there already are kept; of a new row they are `?`, and the test says what they are to be.
"""

import pathlib, re, socket, subprocess, tempfile, threading, time
from rows import ANSWERS, REQUESTS

HERE = pathlib.Path(__file__).resolve().parent
TABLES = HERE.parents[1] / "core/tests/http1/odd"


def escaped(text):
    named = {"\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\"}
    text = re.sub(r"y{1000,}", lambda run: f"<y*{len(run[0])}>", text)
    text = re.sub(r"(X-0: y\r\n.*X-(\d+): y)", lambda run: f"<fields*{int(run[2]) + 1}>", text, flags=re.S)
    return "".join(named.get(c) or (c if " " <= c <= "~" else f"\\x{ord(c):02x}") for c in text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answer(connection):
    with connection:
        connection.settimeout(3)
        head = b""
        while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
            head += piece
        if found := re.match(rb"GET /(\d+)", head):
            connection.sendall(ANSWERS[int(found[1])].encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass


def accept(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=lambda: quietly(connection), daemon=True).start()


def quietly(connection):
    try:
        answer(connection)
    except OSError:
        pass


def curl(base, row, *more):
    line = ["curl", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", *more, f"{base}/{row}"]
    ran = subprocess.run(line, capture_output=True, text=True)
    return ran.returncode, ran.stdout


def sent(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.settimeout(1)
        try:
            connection.sendall(request.encode("latin-1"))
            status = connection.recv(4096)[9:12].decode()
        except OSError:
            status = "none"
        return status if status.isdigit() else "none"


def write(name, header, rows):
    path = TABLES / name
    old = {}
    if path.exists():
        for line in path.read_text().splitlines():
            cells = line.split(" | ")
            if not line.startswith("#") and len(cells) == 6:
                old[cells[0]] = cells[4:]
    lines = [" | ".join([key, *verdicts, *old.get(key, ["?", "?"])]) for key, verdicts in rows]
    path.write_text("\n".join([header, *lines]) + "\n")


def main():
    work = pathlib.Path(tempfile.mkdtemp())
    go = work / "odd"
    subprocess.run(["go", "build", "-o", go, HERE / "main.go"], check=True)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    threading.Thread(target=accept, args=(listener,), daemon=True).start()
    backend = listener.getsockname()[1]
    proxy, web, server = free_port(), free_port(), free_port()
    (work / "conf").write_text(
        f"daemon off; pid {work}/pid; error_log {work}/log; events {{}} http {{ access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p;"
        f" fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;"
        f" server {{ listen 127.0.0.1:{proxy}; location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{backend}; }} }}"
        f" server {{ listen 127.0.0.1:{web}; location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{server}; }} }} }}"
    )
    running = [subprocess.Popen(["nginx", "-c", work / "conf"]), subprocess.Popen([go, "server", f"127.0.0.1:{server}"])]
    try:
        for port in (proxy, web, server):
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
        direct, through = f"http://127.0.0.1:{backend}", f"http://127.0.0.1:{proxy}"
        ran = subprocess.run([go, "client", direct, str(len(ANSWERS))], capture_output=True, text=True, check=True)
        rows = []
        for at, (text, of_go) in enumerate(zip(ANSWERS, ran.stdout.split(), strict=True)):
            of_curl = "takes" if curl(direct, at)[0] == 0 else "refuses"
            code, status = curl(through, at)
            rows.append((escaped(text), [of_curl, of_go, "takes" if code == 0 and status != "502" else "refuses"]))
        write("answers.txt", "# answer | curl | Go's client | nginx as proxy | ours | why", rows)
        rows = [(escaped(text), ["-", sent(server, text), sent(web, text)]) for text in REQUESTS]
        write("requests.txt", "# request | curl (sends none of these) | Go's server | nginx as proxy | ours | why", rows)
    finally:
        for process in running:
            process.terminate()
            process.wait()


main()
