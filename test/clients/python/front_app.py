"""An app as somebody has it: it shows who asks by the headers that proxies give, and keeps a cookie of its own."""
import html
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Set-Cookie", "visits=1; Path=/python; HttpOnly")
        self.end_headers()
        seen["bearer"] = seen.pop("authorization", "").split(" ")[0]
        self.wfile.write(f"<h1>Python</h1><pre>{html.escape(json.dumps(seen))}</pre>".encode())

    def do_POST(self):
        size, chunk = 0, b"-"
        left = int(self.headers.get("Content-Length", 0))
        while left > 0 and chunk:
            chunk = self.rfile.read(min(left, 65536))
            size += len(chunk)
            left -= len(chunk)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(size).encode())

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
