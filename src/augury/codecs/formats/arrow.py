"""Tables and record batches of Apache Arrow, as a stream of its own IPC format.

Restored are schema, metadata and values; how a table was cut into chunks is not part of it.
"""

from __future__ import annotations

import importlib
from struct import unpack_from
from typing import Any

from augury.codecs.formats import full_name
from augury.errors import CodecError, MissingExtraError

NUMBER = 4
TYPES = frozenset({"pyarrow.lib.Table", "pyarrow.lib.RecordBatch"})

_TABLE, _BATCH = b"T", b"B"


def encode(value: Any) -> bytes:
    """Return the kind of value and the stream."""
    pa = _pyarrow()
    if type(value) not in {pa.Table, pa.RecordBatch}:
        raise CodecError(f"no codec carries a value of type {full_name(type(value))}")
    for field in value.schema:
        _check(pa, field.type)
    sink = pa.BufferOutputStream()
    sink.write(_TABLE if type(value) is pa.Table else _BATCH)
    with pa.ipc.new_stream(sink, value.schema) as writer:
        writer.write(value)
    return bytes(sink.getvalue())


def decode(data: memoryview) -> Any:
    """Return the table or batch."""
    pa = _pyarrow()
    kind = bytes(data[:1])
    # A copy, for Arrow would refer to the bytes as long as the table lives.
    stream = pa.py_buffer(bytes(data[1:]))
    _refuse_compressed(pa, stream)
    with pa.ipc.open_stream(stream) as reader:
        value = reader.read_all()
    value.validate(full=True)  # else wrong offsets would be followed into foreign memory
    if kind == _TABLE:
        return value
    batches = value.to_batches()
    if kind != _BATCH or len(batches) > 1:
        raise ValueError("no record batch")
    # A batch without rows is dropped on the way through a table.
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=value.schema)


def _pyarrow() -> Any:
    try:
        importlib.import_module("pyarrow.ipc")
    except ImportError:
        raise MissingExtraError("pyarrow", "codecs") from None
    return importlib.import_module("pyarrow")


def _check(pa: Any, kind: Any) -> None:
    """Refuse types that another process may not know."""
    if isinstance(kind, pa.BaseExtensionType):
        if not kind.extension_name.startswith("arrow."):
            raise CodecError(f"no codec carries the extension type {kind}; use its storage")
        _check(pa, kind.storage_type)
    elif isinstance(kind, pa.DictionaryType):
        _check(pa, kind.value_type)
    else:
        for index in range(kind.num_fields):
            _check(pa, kind.field(index).type)


def _refuse_compressed(pa: Any, stream: Any) -> None:
    """Refuse compressed buffers: never written here, they allocate what they claim to hold."""
    for message in pa.ipc.MessageReader.open_stream(stream):
        header = _table(message.metadata, 0, 2)
        if message.type == "dictionary":
            header = _table(message.metadata, header, 1)
        if message.type in {"dictionary", "record batch"} and _field(message.metadata, header, 3):
            raise ValueError("compressed buffers")


def _table(flat: Any, table: int, field: int) -> int:
    """Return where a table within a table of a flatbuffer is; 0 stands for the root."""
    table = table or unpack_from("<I", flat, 0)[0]
    place = _field(flat, table, field)
    return int(place + unpack_from("<I", flat, place)[0])


def _field(flat: Any, table: int, field: int) -> int:
    """Return where a field of a flatbuffer's table is, or 0 if it is not there."""
    fields = table - unpack_from("<i", flat, table)[0]
    (size,) = unpack_from("<H", flat, fields)
    if 4 + 2 * field >= size:
        return 0
    (offset,) = unpack_from("<H", flat, fields + 4 + 2 * field)
    return int(table + offset) if offset else 0
