# A page behind web-frontend, with `pass: identity`: who comes stands in a JWT that the frontend signs for this app alone.
import html, os
import jwt, uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

frontend, name = os.environ["PUBLIC_BASE_URL"], os.environ["UPSTREAM_NAME"]
keys = jwt.PyJWKClient(f"{frontend}/auth/jwks.json", timeout=5)
app = FastAPI()

@app.get("/{path:path}", response_class=HTMLResponse)
def page(request: Request, path: str):
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    try:
        person = jwt.decode(token, keys.get_signing_key_from_jwt(token), ["ES256"], audience=name, issuer=frontend)
    except jwt.PyJWTError:
        raise HTTPException(401)
    return f"<title>Python</title><p>Hello {html.escape(person['name'])}, this is /{html.escape(path)}"

uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
