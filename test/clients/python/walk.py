"""What every program here needs: where things are, a person who says yes, and the telling of what was seen."""

import importlib.metadata
import json
import os
from urllib.parse import parse_qsl, urlsplit

import requests

here = os.environ
API = "api://onbehalf-api/access_as_user"
APP = "api://onbehalf-api/.default"
GRAPH = "https://graph.microsoft.com/User.Read"
CALLBACK = "http://localhost:3000/auth/callback"


def read(name):
    with open(here[name], encoding="utf-8") as file:
        return file.read()


def landing(url):
    """Where the emulator, which answers for the person, sends the browser."""
    return requests.get(url, allow_redirects=False, timeout=10).headers["location"]


def answer(url):
    """The parameters of the authorization response."""
    return dict(parse_qsl(urlsplit(landing(url)).query))


def type_code(uri, code):
    """The person types a device's code."""
    requests.post(uri, data={"user_code": code}, timeout=10).raise_for_status()


def tell(package, flows):
    """Runs each flow and prints what it gave; an error is what it gave, too."""
    seen = {}
    for name, flow in flows.items():
        try:
            seen[name] = flow()
        except Exception as error:
            seen[name] = {"raised": f"{type(error).__name__}: {error}"}
    print(json.dumps({"version": importlib.metadata.version(package), "flows": seen}))
