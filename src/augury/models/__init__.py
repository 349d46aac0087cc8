"""Trained models: their files, versions of them in a registry, and why they score as they do."""

from augury.models.artefact import Artefact, from_bytes, load_model
from augury.models.card import ModelCard
from augury.models.registry import Registry, Version
from augury.models.shapley import Contributions, contributions, is_explicable

__all__ = [
    "Artefact",
    "Contributions",
    "ModelCard",
    "Registry",
    "Version",
    "contributions",
    "from_bytes",
    "is_explicable",
    "load_model",
]
