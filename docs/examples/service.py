"""Call a tool as a service: python service.py URL NAME KEY.pem TOOL [ARGUMENTS as JSON]."""

import json
import sys
import time
import uuid
from pathlib import Path

import httpx
import jwt


def answer(url: str, name: str, key_file: str, tool: str, arguments: str = "{}") -> dict:
    """What the tool answers, as JSON-RPC has it."""
    claims = {"iss": name, "sub": name, "aud": url, "exp": int(time.time()) + 60}
    claims["jti"] = str(uuid.uuid4())  # an assertion works once
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        # With an RSA key: "RS256".
        "client_assertion": jwt.encode(claims, Path(key_file).read_text(), algorithm="ES256"),
    }
    params = {"name": tool, "arguments": json.loads(arguments)}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    with httpx.Client(timeout=60) as http:
        granted = http.post(f"{url}/oauth/token", data=form)
        if granted.is_error:
            sys.exit(granted.text)
        http.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"
        http.headers["Accept"] = "application/json, text/event-stream"
        return http.post(f"{url}/mcp", json=call).json()


if not 5 <= len(sys.argv) <= 6:
    sys.exit(__doc__)
try:
    told = answer(*sys.argv[1:])
except httpx.HTTPError as error:
    sys.exit(f"Cannot reach {sys.argv[1]}: {error}")
except (OSError, ValueError, AttributeError, jwt.PyJWTError) as error:
    # AttributeError: what the library says to a public key in the place of the private one.
    sys.exit(f"{type(error).__name__}: {error}")
result = told.get("result", {"isError": True})
print(json.dumps(result.get("structuredContent", told), indent=2))
sys.exit(1 if result.get("isError") else 0)
