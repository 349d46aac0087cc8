"""What was stored once is read by every later version: these bytes never change."""

import base64
import dataclasses
import datetime as dt
import enum
import uuid
import zoneinfo
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from augury.codecs import Keyring, Serializer, register

KEYS = Keyring({1: bytes(32), 2: bytes(range(32))})
READER = Serializer()
UNPICKLER = Serializer(pickle=b"a secret of golden tests")
DECRYPTER = Serializer(keys=KEYS)


@dataclasses.dataclass
class Golden:
    x: int
    colour: Any


class Colour(enum.Enum):
    RED = 1


register(Golden, "test.Golden")
register(Colour, "test.GoldenColour")

ZONED = dt.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Rome"))
STRUCTURED = np.array([(1, "a")], np.dtype([("n", ">i2"), ("s", "U1")], align=True))

VALUES: dict[str, Any] = {
    "bytes": b"abc",
    "text": "aé\ud800",
    "plain": [None, True, -1, 1.5, "a", b"b", {"k": [1]}, 2**64 - 1],
    "numbers": [2**64, -(2**70), 1 + 2j, Decimal("1.10")],
    "containers": [
        (1,),
        {1},
        frozenset({"a"}),
        {(1, 2): 3},
        [(1, "a"), (2, None)],
        bytearray(b"x"),
    ],
    "odd text": {"\ud800": ["\udcff"]},
    "times": [
        dt.datetime(2026, 1, 2, 3, 4, 5, 6),
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC, fold=1),
        dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1), "mine")),
        ZONED,
        dt.date(2026, 1, 2),
        dt.time(1, 2, 3),
        dt.timedelta(days=-1, microseconds=5),
    ],
    "uuids": [uuid.UUID(int=1), uuid.UUID(int=2, is_safe=uuid.SafeUUID.safe)],
    "records": [Golden(1, Colour.RED)],
    "array": np.asfortranarray(np.arange(6, dtype="<i2").reshape(2, 3)),
    "dates": np.array(["2026-01-01", "NaT"], "<M8[D]"),
    "structured": STRUCTURED,
    "scalars": [np.float32(1.5), np.str_("a"), np.datetime64("2026-01-01T00:00:00")],
    "compressed": "a" * 2000,
}

STORED = {
    "bytes": "^+9z300000VPa#lLZLZzk=4P?X5s1sW2<c",
    "text": "^+9z30RR91VZ*8IpnyobMheY`$k<+6)~#O(Umy",
    "plain": "^+9z30ssI2n83sT%Rl%4000000HI;T0b+rnYmouZ|NsC0|NsC0@Q<>CM+Y5iuM3_Ub@6An",
    "numbers": (
        "^+9z30ssI2l*b7H00000000000mlge0000000000z}OA|000000PsHm00000002PN3^6V-FzX{Y1au1i"
        "gMfp}+(Pcmss"
    ),
    "containers": (
        "^+9z30ssI2mem810o4VO0mlOdk)dJ73I~#r#{&bB0RoW&*94N10ij`%0>IP{c!F<{&#jI6CuwE#?g=$}sQ"
    ),
    "odd text": "^+9z30ssI2*awo4#{&ZGpn#E)#{&ZGv%hLt^s+lYRvCZ#Qj--=@-Y",
    "times": (
        "^+9z30ssI2m&Y0iGB7eWEif@HFfvpyGdeIdIxsaZFfcGMFgC{;2$QoiFfukRFflDKGE^`yIxsLgFfaj="
        "0002TAqbPRGB7eWEif@HFfvpyFgh?WIxsK*lmN{R5CEiYX>Mi5A_$YSGB7eWEigANFfmjyGCD9YIxsK*"
        "t3`EkZ*XNVQg3Z##|jBDFfukRFflDKGS><)F*-0ZIxsWV3zPo<1y3Kb@06RXEZ1=)XOLS`=K"
    ),
    "uuids": "^+9z30ssI2lGqIZ0000000000000000005U5e)zU00000000000000000MKcq4@KETM!-u12T6IEFfV",
    "records": (
        "^+9z30ssI2k;gI+lB;xOb9638Z){{`Zi1nB0j6VbY;SdP#}^Qiv2<l~bS_74Y-D9_LvL(vb#kLpMMO<$"
        "sS~Izl3tA4;!m;%=AH"
    ),
    "array": "^+9z30{{R33IG5Alc7eVJZUnL0s{a50{{U41ONg61ps7sh|jToJ^Td<YPRV7J?a",
    "dates": "^+9z30{{R33;+NClc7VVJWV)TL|u^r=1%|s00000000000001h#H8VNNeO2_;{@Mk^tndn",
    "structured": (
        "^+9z30{{R3N&o-=lc7U~rEXzuWpk3DZlQChW^ZzBVRUnnqdsXeqdZkHr*CFvb7gdMk^lszbZK;KWpk3i"
        "z^G|-Wo>h5dSwWwVQgt<Ze?V{kpTb!003bC006yh5lZSHnwct>poDGLWA6"
    ),
    "scalars": (
        "^+9z30ssI2lh`8&0001!p;MzgW;Boh0Kh-kBM1Nh0F$9pqdZkHkYNA-0LK?23jhEBlc7_lJWV)Tb6t=C"
        "xm9TZ0000{XHx=<QmCLi-c7^sJ#Dr"
    ),
    "compressed": "^+9z30RaF2D77#BV9*9l000nSVF3Wk{{RbYbTN^ohb*eCWH^W$yUDl",
    "encrypted": "^+9z30RjR5VgpS|;$-I3`|ap)sD=(P;`&oomcIx)Je$DKi}VaPpBOvb",
    "signed": (
        "^+9z31_S^AfCZHw000000001t2x4_<Y;<XEbCiq@PH%KcZE$R5ZDnqBWn`3-lrDcrXQh52p?g@ueDMT*"
        "2Y}P>wSp&GuhQ2aoD^_6Xjc"
    ),
    "table": (
        "^+9z31ONa4RR90~|EK@}01yBG0000A01N;I00jUD015yA0003501N;C00;mG0000400;m800aO400IC2"
        "06+i$00aO40NDTk{{R311rPuL02lxO00aO400000009610Ac_D00aO800aO401yBa00;mE00#gJ0000G"
        "01yBG000010uTTI02}}S00aO400000009610AT<C00;mK00;mF00;m8000000YCr%000000RR90|HuFU"
        "02BZK0000001N;Y00saB00;mK01N;C0009702lxO05AXm000000000A02lxa00aOC015yA0BisN01yBG"
        "00IC2000000000000jU50000000000009610000000;m80000001yBG0000002lxO000000000000000"
        "02lxO0000001N;C0000004M+e0000000IC2000000000000IC200IC200000009610000000IC200000"
        "0000000000009610000000961000000000000000000000096100IC2000000C;%-000000RR90{{R30"
        "01Y`$y4EcaU}L>^*pU9|`2"
    ),
    "tensor": (
        "^+9z31poj5KmY&$00000dm?lqI(s5yba`-PB03^MMlm)bEFyDgVQ^(4I$JR;GF>bpWMOn+UvFk+b7gdM"
        "B05_zEHqtxeIOtpARr(hfIk30yJ@X0A?T8+ZP{0a18Z?g"
    ),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (one.dtype, one.flags.f_contiguous) == (
            other.dtype,
            other.flags.f_contiguous,
        ) and np.array_equal(one, other, equal_nan=one.dtype.kind == "M")
    return repr(one) == repr(other)


@pytest.mark.parametrize("name", VALUES)
def test_what_was_stored_is_read(name: str) -> None:
    back = READER.loads(base64.b85decode(STORED[name]), b"golden")
    assert type(back) is type(VALUES[name])
    assert same(back, VALUES[name])


@pytest.mark.parametrize("name", [name for name in VALUES if name != "compressed"])
def test_what_is_written_is_what_was(name: str) -> None:
    data = READER.dumps(VALUES[name], b"golden")
    assert base64.b85encode(data).decode() == STORED[name]


def test_what_was_encrypted_is_read() -> None:
    assert DECRYPTER.loads(base64.b85decode(STORED["encrypted"]), b"golden") == "a secret"


def test_what_was_signed_is_read() -> None:
    assert UNPICKLER.loads(base64.b85decode(STORED["signed"]), b"golden") is NotImplemented


def test_what_arrow_wrote_is_read() -> None:
    pa = pytest.importorskip("pyarrow")
    back = READER.loads(base64.b85decode(STORED["table"]), b"golden")
    assert back.equals(pa.table({"a": [1, None], "b": ["x", "y"]}))


def test_what_safetensors_wrote_is_read() -> None:
    torch = pytest.importorskip("torch")
    back = READER.loads(base64.b85decode(STORED["tensor"]), b"golden")
    assert torch.equal(back, torch.tensor([[1, 2]], dtype=torch.bfloat16))
