"""Learned answers: the result of a query within a stated error, or else from the database."""

from augury.answers.answer import Answer, Tolerance
from augury.answers.answers import Answers
from augury.answers.listen import notify_triggers
from augury.answers.parameter import Parameter
from augury.answers.privacy import Budget, Loss, Privacy

__all__ = [
    "Answer",
    "Answers",
    "Budget",
    "Loss",
    "Parameter",
    "Privacy",
    "Tolerance",
    "notify_triggers",
]
