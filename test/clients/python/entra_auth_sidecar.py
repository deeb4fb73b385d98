"""Microsoft's agents SDK at the sidecar, as it is: it knows a URL on localhost and the name of an API."""

import asyncio

from microsoft_agents.authentication.entra_auth_sidecar import (SidecarAuth, SidecarHttpClient, SidecarRequestOptions,
                                                                SidecarUnavailableError)
from microsoft_agents.hosting.core import AgentAuthConfiguration

from walk import here, tell


def provider(service):
    settings = {"service_name": service, "sidecar_base_url": here["SIDECAR"], "retry_count": 0}
    return SidecarAuth(AgentAuthConfiguration(**{key.upper(): value for key, value in settings.items()}))


async def app_token():
    auth = provider("Job")
    token = await auth.get_access_token("", ["ignored/.default"])
    again = await auth.get_access_token("", ["ignored/.default"], force_refresh=True)
    healthy = await auth.is_healthy()
    await auth.close()
    return {"access_token": token, "same": token == again, "healthy": healthy}


async def unavailable():
    client = SidecarHttpClient(here["SIDECAR_AWAY"], retry_count=0)
    try:
        await client.get_authorization_header_unauthenticated("Job", SidecarRequestOptions())
    except SidecarUnavailableError as error:
        return {"error": str(error), "healthy": await client.is_healthy()}
    finally:
        await client.aclose()


tell("microsoft-agents-authentication-entra-auth-sidecar", {
    "gets an app token by the name of an API, and again the same": lambda: asyncio.run(app_token()),
    "is told that the broker is away as an outage, not as a refusal": lambda: asyncio.run(unavailable()),
})
