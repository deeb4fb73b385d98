"""requests-oauthlib at the broker: it raises where the scope it is given is not the one it asked for."""

import os

import requests
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from walk import API, APP, CALLBACK, here, landing, read, tell

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # Inside a cluster the broker speaks plain http.
SCOPE = ["openid", API]
found = requests.get(f"{here['BROKER']}/.well-known/oauth-authorization-server", timeout=10).json()


def proof(name):
    return {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": read(f"{name}_ASSERTION_FILE")}


def by_code():
    web = OAuth2Session(here["WEB"], redirect_uri=CALLBACK, scope=SCOPE, pkce="S256")
    url, _ = web.authorization_url(here["AUTHORIZE"], nonce="n")
    # The broker did not see the authorize request: what was asked there is repeated, and answered.
    return web.fetch_token(found["token_endpoint"], authorization_response=landing(url), include_client_id=True,
                           scope=" ".join(SCOPE), **proof("WEB"))


def app_token():
    job = OAuth2Session(client=BackendApplicationClient(here["JOB"], scope=[APP]))
    return job.fetch_token(found["token_endpoint"], include_client_id=True, **proof("JOB"))


tell("requests-oauthlib", {
    "signs a person in with PKCE and a nonce it checks itself": by_code,
    "gets an app token and is given the scope it asked for": app_token,
})
