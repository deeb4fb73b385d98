"""Authlib at the broker: its own client authentication says who it is by a ServiceAccount's token."""

import requests
from authlib.common.urls import add_params_to_qs
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import jwt

from walk import API, APP, CALLBACK, GRAPH, here, landing, read, tell

found = requests.get(f"{here['BROKER']}/.well-known/oauth-authorization-server", timeout=10).json()
issuer = f"{here['ORIGIN']}/{here['TENANT']}/v2.0"
grant = "urn:ietf:params:oauth:grant-type:"
seen = {}


def client(name, **more):
    def prove(_client, _method, uri, headers, body):
        proof = [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                 ("client_assertion", read(f"{name}_ASSERTION_FILE"))]
        return uri, headers, add_params_to_qs(body, proof)

    session = OAuth2Session(here[name], token_endpoint_auth_method="service_account",
                            revocation_endpoint_auth_method="service_account", **more)
    session.register_client_auth_method(("service_account", prove))
    return session


web = client("WEB", redirect_uri=CALLBACK, code_challenge_method="S256", scope=f"openid offline_access {API}")


def by_code():
    verifier = "v" * 43
    url, state = web.create_authorization_url(here["AUTHORIZE"], code_verifier=verifier, nonce="n")
    token = web.fetch_token(found["token_endpoint"], authorization_response=landing(url), state=state,
                            code_verifier=verifier)
    keys = requests.get(f"{here['ORIGIN']}/{here['TENANT']}/discovery/v2.0/keys", timeout=10).json()
    expected = {"iss": {"essential": True, "value": issuer}, "aud": {"value": here["WEB"]}, "nonce": {"value": "n"}}
    claims = jwt.decode(token["id_token"], keys, claims_options=expected)
    claims.validate()
    seen["session"] = token["access_token"]
    return {**token, "name": claims["name"]}


def exchange():
    given = {"subject_token": seen["session"], "subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    seen["user"] = client("WEB").fetch_token(found["token_endpoint"], grant_type=f"{grant}token-exchange", scope=API,
                                             **given)
    return seen["user"]


def on_behalf():
    return client("API").fetch_token(found["token_endpoint"], grant_type=f"{grant}jwt-bearer", scope=GRAPH,
                                     assertion=seen["user"]["access_token"], requested_token_use="on_behalf_of")


def ended():
    before = web.introspect_token(found["introspection_endpoint"], token=seen["session"]).json()
    web.revoke_token(found["revocation_endpoint"], token=seen["session"]).raise_for_status()
    after = web.introspect_token(found["introspection_endpoint"], token=seen["session"]).json()
    return {"before": before["active"], "after": after["active"]}


tell("authlib", {
    "signs a person in with PKCE and a nonce it checks itself": by_code,
    "exchanges the session for an API's token": exchange,
    "acts on behalf of the person": on_behalf,
    "gets an app token": lambda: client("JOB").fetch_token(found["token_endpoint"], grant_type="client_credentials",
                                                           scope=APP),
    "introspects and revokes the session": ended,
})
