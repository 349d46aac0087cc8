"""Learned answers: the result of a query within a stated error, or else from the database."""

from augury.answers.answer import Answer, Tolerance
from augury.answers.answers import Answers
from augury.answers.listen import notify_triggers
from augury.answers.parameter import Parameter

__all__ = ["Answer", "Answers", "Parameter", "Tolerance", "notify_triggers"]
