"""What is observed as metrics: one catalogue, told to Prometheus and OpenTelemetry."""

from augury.metrics.catalogue import CATALOGUE
from augury.metrics.metric import Metric

__all__ = ["CATALOGUE", "Metric"]
