"""What a registered statement must not do, though it is a SELECT."""

from __future__ import annotations

import re

from sqlglot import exp

from augury.errors import ConfigurationError

_WRITES = (
    *(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter),
    *(exp.Command, exp.Copy, exp.Into, exp.Lock),
)

# By their names, since what they do lies outside of the transaction, which only reads, or holds up
# the server: sequences, sleeping, other servers, files, locks, settings, signals, and what executes
# the SQL in a text.
_ACTING = re.compile(
    r"nextval|setval|next_value_for|nextid|last_insert_id"
    r"|(pg_)?sleep(_for|_until)?|benchmark|waitfor"
    r"|dblink\w*|postgres_query|postgres_execute|mysql_query|mysql_execute|sqlite_query"
    r"|lo_\w+|lowrite|loread|load_file|load_extension|writefile|edit|fts3_tokenizer"
    r"|pg_(read|write|file|ls|stat_file|current_logfile)\w*"
    r"|(pg_(try_)?advisory\w*|get_lock|release_lock|release_all_locks)"
    r"|pg_(notify|terminate_backend|cancel_backend|reload_conf|rotate_logfile|promote|switch_wal)"
    r"|pg_(create|drop|copy|replication|logical|start|stop|backup|wal|stat_reset|import)\w*"
    r"|set_config|setseed|sys_eval|sys_exec|xp_\w+|openrowset|opendatasource|openquery"
    r"|query_to_xml\w*|cursor_to_xml\w*|table_to_xml\w*|schema_to_xml\w*|database_to_xml\w*"
    r"|ts_stat|query|query_table|sql_auto_complete|json_execute_serialized_sql|pragma_\w+",
    re.IGNORECASE,
)

# Of these a kept answer would be wrong, or at once out of date.
_CHANGING = re.compile(
    r"rand|random\w*|newid|\w*uuid\w*|now|sysdate|systimestamp|timeofday|getdate|getutcdate|today"
    r"|(clock|statement|transaction)_timestamp|get_current_timestamp|cur(date|time)"
    r"|(current|local)_?(date|time|timestamp\w*|datetime|localtime\w*)"
    r"|utc_?(date|time|timestamp)",
    re.IGNORECASE,
)
_CHANGING_IF_OF_NOTHING = {
    *("date", "time", "datetime", "julianday", "unixepoch", "unix_timestamp", "txid_current"),
}
_MOMENTS = {"now", "today", "tomorrow", "yesterday", "localtime"}


def check_reads_only(tree: exp.Expression) -> None:
    """Raise a `ConfigurationError` if a SELECT would do more than read, or reads the time.

    This is the first line only: statements run in transactions that only read, where the database
    has such a thing (see `augury.answers.database`), because a database's own functions may do
    anything.
    """
    found = tree.find(*_WRITES)
    if found is not None:
        raise ConfigurationError(
            f"the statement would write or lock ({found.key.upper()}): only a SELECT that reads "
            "can be registered"
        )
    for function in tree.find_all(exp.Func):
        named = isinstance(function, exp.Anonymous)
        name = function.name if named else function.sql_name()
        if _ACTING.fullmatch(name):
            raise ConfigurationError(
                f"the statement calls {name}, which does more than read: it cannot be registered"
            )
        of_nothing = not (function.expressions if named else any(function.args.values()))
        if _CHANGING.fullmatch(name) or (of_nothing and name.lower() in _CHANGING_IF_OF_NOTHING):
            raise _changing(f"{name}()")
    if tree.find(exp.TableSample) is not None:
        raise _changing("TABLESAMPLE")
    for text in tree.find_all(exp.Literal):
        within = isinstance(text.parent, exp.Func | exp.Cast)
        if within and text.is_string and text.name.strip().lower() in _MOMENTS:
            raise _changing(repr(text.name))


def _changing(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{what} is another each time, and answers are kept: make it a parameter of the statement"
    )


def check_parameters(tree: exp.Expression) -> None:
    """Raise a `ConfigurationError` if a parameter has no name."""
    for each in tree.find_all(exp.Placeholder, exp.Parameter, exp.SessionParameter):
        if not (isinstance(each, exp.Placeholder) and each.name.isidentifier()):
            raise ConfigurationError("parameters have names, as in WHERE month = :month")
