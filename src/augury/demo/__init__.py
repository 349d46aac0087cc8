"""The demonstration: a live cache in front of a real database, and what it saves.

`scenes` holds what is shown, one file a scene, each found by its name; `stage` is what a scene is
given and what it returns; `flights` is the database and what a service asks of it, `replay` asks,
`report` writes it all down.
"""

from augury.demo.report import write_report
from augury.demo.scenes import load_scene, scene_names
from augury.demo.stage import Figure, Outcome, Stage, Table

__all__ = [
    "Figure",
    "Outcome",
    "Stage",
    "Table",
    "load_scene",
    "scene_names",
    "write_report",
]
