"""What caches, tiers, answers and cached models do, collected in one place for whoever shows it."""

from augury.observe.observer import Observer
from augury.observe.views import Snapshot

__all__ = ["Observer", "Snapshot"]
