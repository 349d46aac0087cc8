"""Learns from logs that are too large for one machine, by Spark.

log (`reading`, `log`) -> rows that equal the local ones (`rows`) -> MLlib (`fits`) -> artefact.
"""

from augury.distributed.associations import Association, associations
from augury.distributed.curves import curve
from augury.distributed.learning import Learned, learn, learn_all

__all__ = ["Association", "Learned", "associations", "curve", "learn", "learn_all"]
