"""What crsbackupctl speaks to where no daemon would answer so: a server of canned, or of hostile, answers."""

import json
import os
import socket
import subprocess
import threading

CTL = os.environ.get("CRSBACKUPCTL", "")


def rows(*rows):
    return (json.dumps({"rows": rows}, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def end(**members):
    return (json.dumps({"end": members}, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def error(code, text):
    return (json.dumps({"error": {"code": code, "text": text}}, separators=(",", ":")) + "\n").encode()


class Server:
    """Answers each request by its verb: bytes, a list of bytes for one request after the other (the last stays), or a function of the connection."""

    def __init__(self, directory, **answers):
        self.path = str(directory / "ctl.sock")
        self.requests = []
        self.answers = {verb.replace("_", "-"): answer for verb, answer in answers.items()}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(16)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_error):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection:
            try:
                for line in connection.makefile("rb"):
                    request = json.loads(line)
                    self.requests.append(request)
                    answer = self.answers[request["verb"]]
                    if isinstance(answer, list):
                        answer = answer.pop(0) if len(answer) > 1 else answer[0]
                    if callable(answer):
                        answer(connection)
                        return
                    connection.sendall(answer)
            except OSError:  # the client had enough
                pass

    def call(self, *arguments, **more):
        return call(*arguments, "--socket", self.path, **more)


def call(*arguments, timeout=30, env=None):
    """crsbackupctl without a terminal: (exit code, stdout, stderr)."""
    done = subprocess.run([CTL, *arguments], capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, check=False)
    return done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
