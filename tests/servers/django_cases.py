"""Runs the cases that Django's own cache backends pass against `AuguryCache`.

``python -m tests.servers.django_cases FOLDER LOCATION``: FOLDER is Django's source, as its sdist
unpacks; LOCATION is the cache's, empty for memory. Exits as Django's runner does.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import TestSuite, defaultTestLoader

import django
from django.conf import settings
from django.test.utils import get_runner


def main(folder: str, location: str) -> int:
    sys.path.insert(0, str(Path(folder) / "tests"))
    settings.configure(
        SECRET_KEY="of-tests",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["cache"],
        ROOT_URLCONF="tests.servers.django_cases",
        USE_TZ=False,
    )
    django.setup()
    runner = get_runner(settings)(verbosity=1)
    runner.setup_test_environment()
    databases = runner.setup_databases()
    result = runner.run_suite(_cases(location))
    runner.teardown_databases(databases)
    return int(not result.wasSuccessful())


urlpatterns: list[object] = []


def _cases(location: str) -> TestSuite:
    from cache import tests as djangos  # type: ignore[import-not-found]
    from django.test import TestCase, override_settings

    own = {
        "BACKEND": "augury.integrations.django.AuguryCache",
        "LOCATION": location.split() if "://" in location else location,
        "OPTIONS": {"pickle": True},
    }
    # As of Redis and Memcached: nothing culls by MAX_ENTRIES and CULL_FREQUENCY.
    for_tests = djangos.caches_setting_for_tests(own, exclude={"cull", "zero_cull"})

    class AuguryCacheTests(djangos.BaseCacheTests, TestCase):  # type: ignore[misc]
        pass

    decorated = override_settings(CACHES=for_tests)(AuguryCacheTests)
    return TestSuite([defaultTestLoader.loadTestsFromTestCase(decorated)])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
