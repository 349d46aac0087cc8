"""Learns from logs that are too large for one machine, by Spark.

log (`log`, `reading`) -> rows that equal the local ones (`rows`) -> MLlib (`fits`) -> artefact.
"""

from augury.distributed.learning import Learned, learn, learn_all

__all__ = ["Learned", "learn", "learn_all"]
