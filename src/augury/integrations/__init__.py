"""Augury in the frameworks that people use already: one module each, which imports its framework.

None of them is imported before it is asked for by name, as in ``augury.integrations.django``.
"""
