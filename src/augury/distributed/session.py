"""Starts Spark quietly, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augury.distributed.java import java_home
from augury.errors import AuguryError, ConfigurationError, MissingExtraError, TraceError

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyspark.sql import DataFrame, SparkSession

_MASTER = re.compile(r"local(\[(\d+|\*)(,\d+)?\])?|(spark|k8s|mesos)://.+|yarn")
# Whatever a JVM prints before it has read how to log, and what its workers print, goes to a file.
_PRINTED = "spark.log"


@contextlib.contextmanager
def session(master: str = "local[*]", existing: SparkSession | None = None) -> Iterator[Any]:
    """Start Spark, and stop it in the end.

    Settings that are not about being quiet and clean come from Spark's own files
    (``spark-defaults.conf``).

    Parameters
    ----------
    master
        Where Spark runs: ``local``, ``local[N]``, ``local[*]``, ``spark://HOST:PORT``, ``yarn`` or
        ``k8s://...``.
    existing
        A session to work with instead; it is not stopped.

    Raises
    ------
    MissingExtraError
        If PySpark is not installed.
    ConfigurationError
        If there is no Java, `master` makes no sense, or Spark cannot be started.
    """
    if find_spec("pyspark") is None:
        raise MissingExtraError("pyspark", "spark")
    if existing is not None:
        with _translated():
            yield existing
        return
    if not _MASTER.fullmatch(master):
        raise ConfigurationError(
            f"master must be local, local[N], local[*], spark://HOST:PORT, yarn or k8s://..., not "
            f"{master!r}"
        )
    scratch = Path(tempfile.mkdtemp(prefix="augury-spark-"))
    try:
        with (
            _ended_early(master, scratch / _PRINTED),
            _started(master, scratch) as spark,
            _translated(),
        ):
            yield spark
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _ended_early(master: str, printed: Path) -> Iterator[None]:
    """Say why Java is no longer there: it ends by itself if a cluster cannot be reached."""
    from py4j.protocol import Py4JNetworkError

    try:
        yield
    except (ConnectionError, Py4JNetworkError) as error:
        raise ConfigurationError(
            f"Spark on {master} has ended: {_reason(error, printed)}"
        ) from None


@contextlib.contextmanager
def _started(master: str, scratch: Path) -> Iterator[SparkSession]:
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    if SparkContext._active_spark_context is not None:
        raise ConfigurationError(
            "this process has a Spark session already; give it (session=...) or stop it"
        )
    home = java_home(scratch)
    conf = SparkConf().setMaster(master).setAppName("augury")
    conf.setAll(_settings(master, scratch))
    gateway: Any = None
    try:
        with (scratch / _PRINTED).open("w") as printed, _environment(master, home), _unwarned():
            gateway = launch_gateway(conf, {"stdout": printed, "stderr": printed})  # type: ignore[no-untyped-call]
            context = SparkContext(conf=conf, gateway=gateway)
            spark = SparkSession(context)
    except Exception as error:  # of PySpark, of Py4J, of the system
        _end(gateway)
        raise ConfigurationError(
            f"Spark cannot be started on {master}: {_reason(error, scratch / _PRINTED)}"
        ) from None
    try:
        yield spark
    finally:
        with contextlib.suppress(Exception):  # its JVM may be gone
            spark.stop()
        _end(gateway)


def _settings(master: str, scratch: Path) -> list[tuple[str, str]]:
    settings = {
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Users may have other options; these come before them.
        "spark.driver.defaultJavaOptions": f"-Djava.io.tmpdir={scratch}",
        # Partitions that are merged or split by their sizes would be others in the next run.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
    }
    if master.startswith("local"):
        settings |= {
            "spark.local.dir": str(scratch),
            "spark.sql.shuffle.partitions": "8",  # 200 by default: a cluster's
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        }
    return list(settings.items())


@contextlib.contextmanager
def _environment(master: str, home: Path | None) -> Iterator[None]:
    """Tell the JVM where Java is, and which Python its workers are."""
    wanted = {} if home is None else {"JAVA_HOME": str(home)}
    if master.startswith("local"):
        wanted["PYSPARK_PYTHON"] = sys.executable
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Let PySpark say nothing of versions of pandas: only Arrow is used here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support", FutureWarning)
        yield


def _end(gateway: Any) -> None:
    """End the JVM, of which PySpark thinks that it will be used again."""
    from pyspark import SparkContext

    if gateway is None:
        return
    with contextlib.suppress(Exception):
        gateway.shutdown()
    if gateway.proc is not None:
        gateway.proc.stdin.close()
        gateway.proc.wait()
    SparkContext._gateway = None
    SparkContext._jvm = None


def _reason(error: BaseException, printed: Path) -> str:
    """Return one line that says why."""
    text = printed.read_text(errors="replace") if printed.exists() else ""
    if "UnsupportedClassVersionError" in text:
        return "its Java is too old; it needs 17 or later"
    told = re.findall(
        r"^(?:Exception in thread.*?: |Error: |Caused by: |.* ERROR [\w.$]+: )(.+)$",
        text,
        re.MULTILINE,
    )
    lines = [*told[-1:], *str(error).strip().splitlines(), type(error).__name__]
    first: str = next(line.strip() for line in lines if line.strip())
    return first[:300]


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn Spark's errors into one clear line each."""
    from py4j.protocol import Py4JError, Py4JNetworkError
    from pyspark.errors import PySparkException

    try:
        with _unwarned():
            yield
    except (AuguryError, Py4JNetworkError):
        raise
    except PySparkException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            path = (error.getMessageParameters() or {}).get("path", "the path")
            raise TraceError(f"{path.removeprefix('file:')}: does not exist") from None
        raise TraceError(f"Spark could not do it: {_last_line(error)}") from None
    except Py4JError as error:
        raise TraceError(f"Spark could not do it: {_last_line(error)}") from None


def _last_line(error: Exception) -> str:
    """Return what a worker raised, or else the first line."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (raised or lines or [type(error).__name__])[0][:300]


def each_batch(
    frame: DataFrame,
    function: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    schema: str,
) -> DataFrame:
    """Return what a function makes of the batches of each partition."""
    with _unwarned():
        return frame.mapInArrow(function, schema)
