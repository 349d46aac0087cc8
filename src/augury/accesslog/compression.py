"""Reads the bytes of a trace, compressed or not."""

from __future__ import annotations

import gzip
import lzma
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

from augury.errors import MissingExtraError, TraceError

SUFFIXES = (".gz", ".xz", ".zst")
"""What a compressed file's name ends with."""

# So little is fed to zstd and xz at a time because they may expand 30,000-fold.
_FEED = 1024
_COPY = 1 << 20


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Frame(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class ByteStream:
    """The decompressed bytes of a file, from the beginning; a context manager.

    Parameters
    ----------
    path
        An ordinary file. Whether it is compressed by gzip, xz or zstd is seen from its first bytes.

    Raises
    ------
    TraceError
        If the file cannot be opened, is no ordinary file, or is empty.
    MissingExtraError
        If it is compressed by zstd and zstandard is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        """Decompressed bytes read."""
        self.consumed: float | None = None
        """`share`, for a format that does not read from the front to the end."""
        self._file = _open(path)
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            """Bytes of the file itself."""
            magic = self._magic()
            if not magic:
                raise TraceError(f"{path}: is empty; a trace has at least one request")
            self._file.seek(0)
            self.compression, self._reader = _decompressor(self._file, magic)
        except BaseException:
            self._file.close()
            raise

    def _magic(self) -> bytes:
        try:
            return self._file.read(6)
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be read: {error.strerror}") from error

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end.

        Raises
        ------
        TraceError
            If the file is truncated or corrupt, or reading fails.
        """
        parts: list[bytes] = []
        missing = size
        try:
            while missing and (part := self._reader.read(missing)):
                parts.append(part)
                missing -= len(part)
                self.position += len(part)
        except EOFError:
            raise TraceError(
                f"{self.path}: truncated: its {self.compression} stream breaks off at the end of "
                f"the file (byte {self.size:,}), after {self.position:,} decompressed bytes; "
                "fetch the file anew"
            ) from None
        except (zlib.error, gzip.BadGzipFile, _CorruptError) as error:
            raise TraceError(
                f"{self.path}: corrupt: its {self.compression} stream cannot be decompressed after "
                f"{self.position:,} bytes ({error}); fetch the file anew"
            ) from None
        except OSError as error:
            raise TraceError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return b"".join(parts)

    @property
    def share(self) -> float:
        """How much of the file itself has been consumed, from 0.0 to 1.0."""
        if self.consumed is not None:
            return self.consumed
        return min(1.0, self._file.tell() / self.size) if self.size else 1.0

    def seekable(self) -> BinaryIO:
        """Return a file of all decompressed bytes: the file itself, or a temporary one."""
        if not self.compression:
            return self._file
        whole = tempfile.TemporaryFile()  # noqa: SIM115 (the caller has it)
        try:
            while data := self.read(_COPY):
                whole.write(data)
            whole.seek(0)
        except OSError as error:
            whole.close()
            raise TraceError(
                f"{self.path}: cannot be decompressed to {tempfile.gettempdir()}: "
                f"{error.strerror}; make room there, or set TMPDIR"
            ) from error
        except BaseException:
            whole.close()
            raise
        return cast(BinaryIO, whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _open(path: Path) -> BinaryIO:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            return path.open("rb")
    except FileNotFoundError:
        raise TraceError(f"{path}: there is no such file") from None
    except PermissionError:
        raise TraceError(f"{path}: permission denied; make it readable for you") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        text = error.strerror if isinstance(error, OSError) else error
        raise TraceError(f"{path}: cannot be opened: {text}") from None
    if stat.S_ISDIR(mode):
        raise TraceError(f"{path}: is a directory; name a file in it")
    raise TraceError(f"{path}: is no ordinary file; write its content to one first")


def _decompressor(file: BinaryIO, magic: bytes) -> tuple[str, _Reader]:
    known: list[tuple[str, bytes, Callable[[BinaryIO], _Reader]]] = [
        ("gzip", b"\x1f\x8b", lambda f: gzip.GzipFile(fileobj=f)),
        ("xz", b"\xfd7zXZ\0", _xz),
        ("zstd", b"\x28\xb5\x2f\xfd", _zstd),
    ]
    for name, begins, reader in known:
        if magic.startswith(begins) or (name == "zstd" and _is_skippable(magic)):
            return name, reader(file)
        if begins.startswith(magic) and Path(file.name).suffix.lower() in SUFFIXES:
            raise TraceError(
                f"{file.name}: truncated: it has {len(magic)} bytes, too few for a compressed "
                "file; fetch the file anew"
            )
    return "", file


def _is_skippable(magic: bytes) -> bool:
    """Whether this is one of zstd's frames without content, which may come first."""
    return magic[1:4] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50


class _CorruptError(Exception):
    """A frame cannot be decompressed; zstandard's own error needs zstandard."""


def _xz(file: BinaryIO) -> _Reader:
    return _FrameReader(file, lzma.LZMADecompressor, lzma.LZMAError, padding=b"\0")


def _zstd(file: BinaryIO) -> _Reader:
    try:
        import zstandard
    except ImportError:
        raise MissingExtraError("zstandard", "traces") from None
    new_frame = zstandard.ZstdDecompressor().decompressobj
    return _FrameReader(file, new_frame, zstandard.ZstdError)


class _FrameReader:
    """Reads frames of zstd, or streams of xz, one after another.

    The libraries' own readers are silent where a frame of zstd breaks off, and where something else
    follows a stream of xz.
    """

    def __init__(
        self,
        file: BinaryIO,
        new_frame: Callable[[], _Frame],
        error: type[Exception],
        padding: bytes = b"",
    ) -> None:
        self._file = file
        self._new_frame = new_frame
        self._error = error
        self._padding = padding  # may lie between frames
        self._frame = new_frame()
        self._in_frame = False
        self._fed = b""
        self._ready = memoryview(b"")

    def read(self, size: int) -> bytes:
        while not self._ready:
            fed = self._fed or self._file.read(_FEED)
            self._fed = b""
            if not fed:
                if self._in_frame:
                    raise EOFError
                return b""
            if not self._in_frame and not (fed := fed.lstrip(self._padding)):
                continue
            try:
                self._ready = memoryview(self._frame.decompress(fed))
            except self._error as error:
                raise _CorruptError(str(error)) from None
            self._in_frame = not self._frame.eof
            if self._frame.eof:
                self._fed = self._frame.unused_data
                self._frame = self._new_frame()
        part, self._ready = self._ready[:size], self._ready[size:]
        return bytes(part)
