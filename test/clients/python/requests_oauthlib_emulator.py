"""requests-oauthlib at the emulator: it raises where the scope it is given is not the one it asked for."""

import os

from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from walk import API, APP, CALLBACK, here, landing, tell

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # Browsers are sent to plain http, and come back by it.
base = f"{here['ORIGIN']}/{here['TENANT']}/oauth2/v2.0"
secret = {"client_id": here["WEB"], "client_secret": "web-secret"}


def app_token():
    job = OAuth2Session(client=BackendApplicationClient(here["JOB"], scope=[APP]))
    return job.fetch_token(f"{base}/token", client_secret="job-secret")


def by_code(*more):
    web = OAuth2Session(here["WEB"], redirect_uri=CALLBACK, scope=["openid", API, *more], pkce="S256")
    url, _ = web.authorization_url(f"{here['BROWSER_ORIGIN']}/{here['TENANT']}/oauth2/v2.0/authorize")
    return web, web.fetch_token(f"{base}/token", authorization_response=landing(url), client_secret="web-secret")


def by_refresh():
    # Entra never names offline_access; who asks for it there sets this.
    os.environ["OAUTHLIB_RELAX_TOKEN_SCOPE"] = "1"
    web, first = by_code("offline_access")
    return {**web.refresh_token(f"{base}/token", first["refresh_token"], **secret), "before": first["access_token"]}


tell("requests-oauthlib", {
    "gets an app token by secret": app_token,
    "redeems a code with PKCE and is given the scope it asked for": lambda: by_code()[1],
    "refreshes": by_refresh,
})
