"""Authlib at the emulator, found by its discovery document."""

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import jwt
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from authlib.common.encoding import to_unicode, urlsafe_b64encode

from walk import API, APP, CALLBACK, here, landing, read, tell

issuer = f"{here['ORIGIN']}/{here['TENANT']}/v2.0"
found = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
web = OAuth2Session(here["WEB"], "web-secret", redirect_uri=CALLBACK, code_challenge_method="S256",
                    scope=f"openid profile offline_access {API}")


def app_token(client, **more):
    return client.fetch_token(found["token_endpoint"], grant_type="client_credentials", scope=APP, **more)


def by_certificate():
    certificate = load_pem_x509_certificate(read("WEB_CERT_FILE").encode())
    thumbprint = to_unicode(urlsafe_b64encode(certificate.fingerprint(SHA256())))
    signing = PrivateKeyJWT(found["token_endpoint"], headers={"x5t#S256": thumbprint})
    client = OAuth2Session(here["WEB"], read("WEB_KEY_FILE"), token_endpoint_auth_method=signing)
    # Entra wants it beside the assertion, which RFC 7521 leaves open.
    return app_token(client, client_id=here["WEB"])


def by_code():
    verifier = "v" * 43
    url, state = web.create_authorization_url(found["authorization_endpoint"], code_verifier=verifier, nonce="n")
    token = web.fetch_token(found["token_endpoint"], authorization_response=landing(url), state=state,
                            code_verifier=verifier)
    keys = requests.get(found["jwks_uri"], timeout=10).json()
    expected = {"iss": {"essential": True, "value": issuer}, "aud": {"value": here["WEB"]}, "nonce": {"value": "n"}}
    claims = jwt.decode(token["id_token"], keys, claims_options=expected)
    claims.validate()
    return {**token, "name": claims["name"]}


tell("authlib", {
    "gets an app token by secret": lambda: app_token(OAuth2Session(here["JOB"], "job-secret")),
    "gets an app token by certificate": by_certificate,
    "signs a person in with PKCE and checks the ID token": by_code,
    "refreshes": lambda: {"before": web.token["access_token"], **web.refresh_token(found["token_endpoint"])},
})
