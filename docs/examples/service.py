"""Call a tool as a service: python service.py URL NAME KEY.pem TOOL [ARGUMENTS as JSON]."""

import json
import sys
import time
import uuid
from pathlib import Path

import httpx
import jwt

if len(sys.argv) < 5:
    sys.exit(__doc__)
url, name, key_file, tool, *arguments = sys.argv[1:]
claims = {"iss": name, "sub": name, "aud": url, "exp": int(time.time()) + 60}
claims["jti"] = str(uuid.uuid4())  # an assertion works once
form = {
    "grant_type": "client_credentials",
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    # With an RSA key: "RS256".
    "client_assertion": jwt.encode(claims, Path(key_file).read_text(), algorithm="ES256"),
}
params = {"name": tool, "arguments": json.loads(arguments[0]) if arguments else {}}
call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
with httpx.Client(timeout=60) as http:
    granted = http.post(f"{url}/oauth/token", data=form)
    if granted.is_error:
        sys.exit(granted.text)
    http.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"
    http.headers["Accept"] = "application/json, text/event-stream"
    answer = http.post(f"{url}/mcp", json=call).json()
result = answer.get("result", {"isError": True})
print(json.dumps(result.get("structuredContent", answer), indent=2))
sys.exit(1 if result.get("isError") else 0)
