#!/usr/bin/python3
"""Starts an nginx of its own on the loopback, with TLS and kept connections, and runs bench_http against it.

http.py BENCH_HTTP [REQUESTS]     HTTP2=1 in the environment lets nginx offer HTTP/2
"""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77  # what meson takes for "skipped"
REPLY = '{"Response":{"TaskId":6954227,"RequestId":"4daddc97-0005-45d8-b5b8-38514ec1e97c"}}'
CONFIG = """
daemon off;
worker_processes 1;
pid %(directory)s/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %(directory)s/body;
  proxy_temp_path %(directory)s/proxy;
  fastcgi_temp_path %(directory)s/fastcgi;
  uwsgi_temp_path %(directory)s/uwsgi;
  scgi_temp_path %(directory)s/scgi;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  server {
    listen 127.0.0.1:%(port)d ssl%(http2)s;
    ssl_certificate %(directory)s/server.pem;
    ssl_certificate_key %(directory)s/server.key;
    location / {
      default_type application/json;
      return 200 '%(reply)s';
    }
  }
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", directory / "server.key", "-out", directory / "server.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def wait_for(port, server):
    for _ in range(200):
        if server.poll() is not None:
            sys.exit(f"http.py: nginx ended with {server.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit("http.py: nginx does not listen")


def main(bench, *arguments):
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not nginx:
        print("http.py: no nginx here (Debian: nginx-light)")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="bench-http.") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        make_certificate(directory)
        port = free_port()
        http2 = " http2" if os.environ.get("HTTP2") == "1" else ""
        config = directory / "nginx.conf"
        config.write_text(CONFIG % {"directory": name, "port": port, "reply": REPLY, "http2": http2})
        with subprocess.Popen([nginx, "-e", "stderr", "-p", name, "-c", str(config)]) as server:
            try:
                wait_for(port, server)
                host = f"127.0.0.1:{port}"
                done = subprocess.run([bench, f"https://{host}/", str(directory / "server.pem"), host, *arguments],
                                      check=False)  # fmt: skip
                return done.returncode
            finally:
                server.terminate()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
