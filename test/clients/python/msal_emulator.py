"""MSAL Python at the emulator."""

import msal

from walk import API, APP, CALLBACK, GRAPH, answer, here, read, tell, type_code

common = {"authority": f"{here['ORIGIN']}/{here['TENANT']}", "instance_discovery": False}


def confidential(app, credential):
    return msal.ConfidentialClientApplication(here[app], client_credential=credential, **common)


web = confidential("WEB", "web-secret")
api = confidential("API", "api-secret")
cli = msal.PublicClientApplication(here["CLI"], **common)


def by_secret():
    return confidential("JOB", "job-secret").acquire_token_for_client([APP])


def by_certificate():
    pair = {"private_key": read("WEB_KEY_FILE"), "public_certificate": read("WEB_CERT_FILE")}
    return confidential("WEB", pair).acquire_token_for_client([APP])


def by_federation():
    return confidential("WEB", {"client_assertion": read("FEDERATED_FILE")}).acquire_token_for_client([APP])


def by_code(client=web, redirect_uri=CALLBACK):
    flow = client.initiate_auth_code_flow([API], redirect_uri=redirect_uri)
    return client.acquire_token_by_auth_code_flow(flow, answer(flow["auth_uri"]))


def by_refresh():
    before = by_code()["access_token"]
    return {**web.acquire_token_silent_with_error([API], web.get_accounts()[0], force_refresh=True), "before": before}


def on_behalf():
    return api.acquire_token_on_behalf_of(by_code()["access_token"], [GRAPH])


def by_device():
    flow = cli.initiate_device_flow([API])
    type_code(flow["verification_uri"], flow["user_code"])
    return cli.acquire_token_by_device_flow(flow)


tell("msal", {
    "gets an app token by secret": by_secret,
    "gets an app token by certificate": by_certificate,
    "gets an app token by federated assertion": by_federation,
    "redeems a code with PKCE": by_code,
    "refreshes": by_refresh,
    "acts on behalf of a person": on_behalf,
    "signs a program's person in without a secret": lambda: by_code(cli, "http://localhost:54321"),
    "signs a device's person in": by_device,
})
