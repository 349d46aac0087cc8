"""Answers that tell little of any one person: noisy, withheld, or for some tenants only."""

from augury.answers.privacy.budget import Budget, Loss
from augury.answers.privacy.policy import Privacy

__all__ = ["Budget", "Loss", "Privacy"]
