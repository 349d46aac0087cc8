"""Runs every benchmark beside its peers, keeps the figures, and writes docs/benchmarks.md of them.

A section of the page is a module of `sections`: it names what to run and renders what came back.
`running` measures, `figures` keeps, `page` and `plots` render, `claims` writes numbers into README.
"""
