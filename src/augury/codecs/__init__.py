"""Values as bytes: what leaves the process, and what may come back.

docs/codecs.md says what is carried exactly and what is protected.
"""

from augury.codecs.keyring import Keyring
from augury.codecs.records import register
from augury.codecs.serializer import Serializer

__all__ = ["Keyring", "Serializer", "register"]
