"""A site of Django in one file, whose pages and rates Augury keeps.

python examples/django_site.py
"""

from functools import partial

import django
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path
from django.views.decorators.cache import cache_page

settings.configure(
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    CACHES={
        "default": {
            "BACKEND": "augury.integrations.django.AuguryCache",
            "TIMEOUT": 60,
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    },
)
django.setup()

asked = []


def rate(currency: str) -> float:
    """Ask a slow service."""
    asked.append(currency)
    return {"EUR": 1.0, "USD": 1.1}[currency]


@cache_page(60)
def rates(_request: HttpRequest) -> JsonResponse:
    found = {each: cache.get_or_set(f"rate:{each}", partial(rate, each)) for each in ("EUR", "USD")}
    return JsonResponse(found)


def visits(_request: HttpRequest) -> JsonResponse:
    cache.add("visits", 0, timeout=None)
    return JsonResponse({"visits": cache.incr("visits")})


urlpatterns = [path("rates", rates), path("visits", visits)]

if __name__ == "__main__":
    client = Client()
    for _ in range(3):
        print(client.get("/rates").json(), client.get("/visits").json())
    print("asked the service for", asked)
