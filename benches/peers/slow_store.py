"""A folder over HTTP as an object store in the same region would send it: every answer comes 30 ms late, and each
connection carries 80 MB/s.

    python benches/peers/slow_store.py FOLDER [PORT]
    hyades fit http://127.0.0.1:PORT/bank.parquet --k 16 --out out/bank        # built with --features cloud
"""

import http.server
import os
import sys
import time

LATE, RATE, STEP = 0.03, 80e6, 256 << 10
FOLDER = sys.argv[1]
PORT = int(sys.argv[2]) if len(sys.argv) > 2 else 8098


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        path = os.path.join(FOLDER, os.path.basename(self.path))
        size, asked = os.path.getsize(path), self.headers.get("Range")
        first, last = map(int, asked.removeprefix("bytes=").split("-")) if asked else (0, size - 1)
        length = last + 1 - first
        time.sleep(LATE)
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{size}"')
        self.send_header("Last-Modified", self.date_time_string(os.path.getmtime(path)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()
        start, sent = time.time(), 0
        with open(path, "rb") as file:
            while with_body and sent < length:
                step = min(STEP, length - sent)
                sent += os.sendfile(self.connection.fileno(), file.fileno(), first + sent, step)
                time.sleep(max(0.0, sent / RATE - (time.time() - start)))


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", PORT), Handler).serve_forever()
