"""A command at a terminal of its own."""

import fcntl
import os
import pty
import struct
import subprocess
import termios


def on_a_terminal(command, columns=80, env=None, without=("NO_COLOR",)):
    """The exit code, and the lines that the command writes to a terminal of so many columns."""
    environment = {key: value for key, value in os.environ.items() if key not in without}
    environment.update(TERM="xterm", **(env or {}))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    parts = []
    try:
        with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as child:
            os.close(slave)
            while True:
                try:
                    part = os.read(master, 65536)
                except OSError:  # the other side is gone
                    break
                if not part:
                    break
                parts.append(part)
    finally:
        os.close(master)
    return child.returncode, b"".join(parts).decode("utf-8").splitlines()
