"""A front with TLS for a server that has none."""

from __future__ import annotations

import contextlib
import datetime
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True)
class Front:
    """Where it listens, and the certificate that it shows."""

    port: int
    certificate: Path


@contextlib.contextmanager
def tls_front(port: int, folder: Path) -> Iterator[Front]:
    """Forward connections with TLS to a port of the loopback interface."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                begin(functools.partial(relay, accepted))

    def relay(accepted: socket.socket) -> None:
        with contextlib.suppress(OSError), accepted:
            outer = context.wrap_socket(accepted, server_side=True)
            inner = socket.create_connection(("127.0.0.1", port))
            opened.extend((outer, inner))
            back = begin(lambda: copy(inner, outer))
            copy(outer, inner)
            back.join()

    def begin(run: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=run)
        threads.append(thread)
        thread.start()
        return thread

    with socket.create_server(("127.0.0.1", 0)) as listening:
        begin(lambda: serve(listening))
        yield Front(listening.getsockname()[1], certificate)
        listening.shutdown(socket.SHUT_RDWR)
        for one in opened:
            _end(one)
        for thread in threads:
            thread.join()
        for one in opened:
            one.close()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Send what is read until either end is closed, then close the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    _end(target)
    _end(source)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key, and return their files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret
