"""A shop by Flask, whose pages and prices Augury keeps.

python examples/flask_shop.py
"""

from flask import Flask

from augury.integrations.flask import FlaskCache

app = Flask(__name__)
app.config["AUGURY_TIMEOUT"] = 60
cache = FlaskCache(app)
asked = []


@cache.memoize()
def price(item: str) -> float:
    """Ask a slow service."""
    asked.append(item)
    return len(item) * 1.5


@app.get("/prices/<item>")
@cache.cached(query_string=True)
def page(item: str) -> dict[str, object]:
    return {"item": item, "price": price(item)}


if __name__ == "__main__":
    client = app.test_client()
    for url in ("/prices/tea", "/prices/tea?unit=kg", "/prices/coffee", "/prices/tea"):
        print(url, client.get(url).json)
    print("asked the service for", asked)
    with app.app_context():
        cache.delete_memoized(price, "tea")
    client.get("/prices/tea?unit=g")
    print("asked the service for", asked)
