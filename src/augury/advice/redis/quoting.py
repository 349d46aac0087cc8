"""Commands as redis-cli reads them, whatever bytes are in a key."""

from __future__ import annotations

_LONGEST = 4096  # bytes of a key in a command that somebody is to read
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@%+,=")
# Of what a shell would obey between double quotes. The line is for redis-cli, but somebody will
# paste it into a shell.
_OBEYED = frozenset(b"$`!")


def quoted(argument: bytes) -> str:
    r"""Return one argument as redis-cli reads it, at its prompt or from a file.

    All but printable ASCII is escaped, so that nothing in it moves a terminal's cursor, and what a
    shell would obey is, too.

    Examples
    --------
    >>> print(quoted(b"user:1"), quoted(b'a "b"\n\x00'), quoted(b"$(reboot)"), quoted(b""))
    user:1 "a \"b\"\n\x00" "\x24(reboot)" ""
    """
    if argument and all(byte in _PLAIN for byte in argument):
        return argument.decode("ascii")
    escaped = []
    for byte in argument:
        if byte in b'"\\':
            escaped.append("\\" + chr(byte))
        elif byte == 0x0A:
            escaped.append("\\n")
        elif 0x20 <= byte < 0x7F and byte not in _OBEYED:
            escaped.append(chr(byte))
        else:
            escaped.append(f"\\x{byte:02x}")
    return '"' + "".join(escaped) + '"'


def command(*arguments: str | int | bytes) -> str | None:
    r"""Return a line for redis-cli; None if a key is too long to be shown.

    Examples
    --------
    >>> command("UNLINK", b"a b")
    'UNLINK "a b"'
    """
    parts = [
        each if isinstance(each, bytes) else str(each).encode("utf-8", "surrogateescape")
        for each in arguments
    ]
    if any(len(each) > _LONGEST for each in parts):
        return None
    return " ".join(quoted(each) for each in parts)


def shown(key: bytes, most: int = 80) -> str:
    """Return a key as tables show it: quoted, and cut if it is long."""
    if len(key) <= most:
        return quoted(key)
    return f"{quoted(key[:most])}... ({len(key):,} bytes)"
