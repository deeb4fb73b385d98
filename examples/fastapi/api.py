# An API with FastAPI: PyJWT checks Entra's tokens by the tenant's keys, the broker gives the token for the next API.
import base64, os, pathlib
import httpx, jwt, uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request

env = os.environ
tenant, audience, broker = env["ENTRA_TENANT_ID"], env["ENTRA_AUDIENCE"], env["BROKER_URL"]
issuer = f"{env.get('ENTRA_AUTHORITY_HOST', 'https://login.microsoftonline.com')}/{tenant}/v2.0"
http = httpx.Client(timeout=10)
metadata = http.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
keys = jwt.PyJWKClient(metadata["jwks_uri"], timeout=5)
checks = {"audience": audience, "issuer": metadata["issuer"], "options": {"require": ["exp", "nbf", "tid", "ver"]}}
outage = HTTPException(503, headers={"Retry-After": "2"})  # It signs nobody out.
app = FastAPI()
def refusal(status: int, **words: str) -> HTTPException:
    challenge = ", ".join(f'{name}="{value}"' for name, value in words.items())
    return HTTPException(status, headers={"WWW-Authenticate": f"Bearer {challenge}".strip()})

def user(request: Request) -> dict:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise refusal(401)
    try:
        claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), ["RS256"], **checks)
        if (claims["tid"], claims["ver"]) != (tenant, "2.0"):
            raise jwt.InvalidTokenError
    except jwt.PyJWKClientConnectionError:
        raise outage
    except jwt.PyJWTError:
        raise refusal(401, error="invalid_token")
    if "access_as_user" not in claims.get("scp", "").split():
        raise refusal(403, error="insufficient_scope", scope="access_as_user")
    return {**claims, "token": token}

def on_behalf_of(token: str, scope: str) -> str:
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "requested_token_use": "on_behalf_of",
            "assertion": token, "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": pathlib.Path(env["BROKER_ASSERTION_FILE"]).read_text()}  # Kubernetes renews it.
    try:
        body = http.post(f"{broker}/oauth2/token", data=form).json()
    except httpx.TransportError:
        raise outage
    if "access_token" in body:
        return body["access_token"]
    if claims := body.get("claims"):  # The caller sends the person to Entra with them.
        raise refusal(401, error="insufficient_claims", claims=base64.b64encode(claims.encode()).decode())
    if body["error"] == "consent_required":
        raise refusal(403, error="insufficient_scope", scope=f"{audience}/.default")
    if body["error"] in ("interaction_required", "login_required", "invalid_grant"):
        raise refusal(401, error="invalid_token")
    raise outage if body["error"] == "temporarily_unavailable" else HTTPException(500)

@app.get("/me")
def me(caller: dict = Depends(user)):
    token = on_behalf_of(caller["token"], "https://graph.microsoft.com/User.Read")
    graph = f"{env.get('GRAPH_BASE_URL', 'https://graph.microsoft.com')}/v1.0/me"
    profile = http.get(graph, headers={"Authorization": f"Bearer {token}"}).json()
    return {"hello": caller["name"], "graph": profile["displayName"]}
uvicorn.run(app, port=int(env["PORT"]), log_level="warning")
