"""MSAL Python as agents at the emulator: the blueprint's token for an agent, and what the agent does with it."""

import msal

from walk import API, APP, here, read, tell

common = {"authority": f"{here['ORIGIN']}/{here['TENANT']}", "instance_discovery": False}
EXCHANGE = ["api://AzureADTokenExchange/.default"]
AGENT = here["AGENT"]


def good(result):
    if "error" in result:
        raise ValueError(f"{result['error']} {result.get('error_codes')}")
    return result


blueprint = msal.ConfidentialClientApplication(here["BLUEPRINT"], client_credential="agents-secret", **common)


def credential(agent=AGENT, of=blueprint):
    return good(of.acquire_token_for_client(EXCHANGE, fmi_path=agent))["access_token"]


def as_agent(agent=AGENT, assertion=None):
    proof = {"client_assertion": assertion or credential(agent)}
    return msal.ConfidentialClientApplication(agent, client_credential=proof, **common)


def as_user(**user):
    agent = as_agent()
    own = good(agent.acquire_token_for_client(EXCHANGE))["access_token"]
    return agent.acquire_token_by_user_federated_identity_credential([API], assertion=own, **user)


tell("msal", {
    "gets its blueprint's token for it": lambda: {"access_token": credential()},
    "acts for itself": lambda: as_agent().acquire_token_for_client([APP]),
    "acts on behalf of a person": lambda: as_agent().acquire_token_on_behalf_of(read("AGENT_TOKEN_FILE"), [API]),
    "acts as its user by name": lambda: as_user(username="scout@contoso.test"),
    "acts as its user by id": lambda: as_user(user_object_id=here["AGENT_USER"]),
    "is refused the agent of another blueprint": lambda: {"access_token": credential(here["OTHER_AGENT"])},
    "is refused another agent's token": lambda: good(
        as_agent(here["SECOND_AGENT"], credential()).acquire_token_for_client([APP])),
})
