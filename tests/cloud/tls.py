"""A certificate authority and a server certificate of our own, made by the `openssl` command, and the server's TLS context."""

import fcntl
import ipaddress
import os
import ssl
import subprocess
import tempfile

ALWAYS = ("127.0.0.1", "::1", "localhost")


def _alternative(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _openssl(*arguments):
    done = subprocess.run(("openssl",) + arguments, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")


def make_certificates(directory, extra_names=()):
    """Make ca.pem, server.pem and server.key in `directory` where they are absent; return their paths.

    The authority's key is thrown away, so the files stay a set. Keys are P-256: a handshake costs little.
    """
    ca, server, key = (os.path.join(directory, name) for name in ("ca.pem", "server.pem", "server.key"))
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)     # two stand-ins may start on one directory
        if not all(os.path.exists(path) for path in (ca, server, key)):
            _make(directory, (ca, server, key), extra_names)
    return ca, server, key


def _make(directory, paths, extra_names):
    with tempfile.TemporaryDirectory(dir=directory) as work:
        def new(name):
            return os.path.join(work, name)

        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        _openssl("req", "-x509", *curve, "-keyout", new("ca.key"), "-out", new("ca.pem"), "-days", "3650",
                 "-subj", "/CN=stand-in test authority", "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", "-new", *curve, "-keyout", new("server.key"), "-out", new("server.csr"), "-subj", "/CN=localhost")
        names = ",".join(_alternative(name) for name in dict.fromkeys(ALWAYS + tuple(extra_names)))
        with open(new("server.ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n"
                       "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
                       "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        _openssl("x509", "-req", "-in", new("server.csr"), "-CA", new("ca.pem"), "-CAkey", new("ca.key"),
                 "-CAcreateserial", "-out", new("server.pem"), "-days", "3650", "-extfile", new("server.ext"))
        for path in paths:
            os.replace(new(os.path.basename(path)), path)


def server_context(certificate, key):
    """TLS 1.2 and later, HTTP/1.1 by ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context
