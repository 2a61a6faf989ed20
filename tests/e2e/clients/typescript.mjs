// Drives a TypeScript SDK: `node typescript.mjs URL METHOD sdk|client`, see driving.py for what is
// read and said. "sdk" is @modelcontextprotocol/sdk 1, "client" is @modelcontextprotocol/client 2.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const [url, method, which] = process.argv.slice(2);

const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  which === "client"
    ? await import("@modelcontextprotocol/client")
    : {
        ...(await import("@modelcontextprotocol/sdk/client/index.js")),
        ...(await import("@modelcontextprotocol/sdk/client/streamableHttp.js")),
        ...(await import("@modelcontextprotocol/sdk/client/auth.js")),
      };

const say = (words) => console.log(JSON.stringify(words));

let arrived;
const listener = createServer((request, response) => {
  response.end("Done");
  arrived(new URL(request.url, "http://127.0.0.1").searchParams);
});
listener.listen(0, "127.0.0.1");
await once(listener, "listening");
const redirectUrl = `http://127.0.0.1:${listener.address().port}/callback`;

const kept = {};
const state = randomBytes(16).toString("base64url");
let answer;
const provider = {
  redirectUrl,
  clientMetadata: {
    client_name: `TypeScript ${which}`,
    redirect_uris: [redirectUrl],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: method,
  },
  state: () => state,
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (discovery) => void (kept.discovery = discovery),
  invalidateCredentials(scope) {
    const names = { client: ["client"], tokens: ["tokens"], verifier: ["verifier"], discovery: ["discovery"] };
    for (const name of names[scope] ?? Object.keys(kept)) delete kept[name];
  },
  redirectToAuthorization(authorizationUrl) {
    answer = new Promise((resolve) => (arrived = resolve));
    say({ open: authorizationUrl.href });
  },
};

let client, transport;

async function use() {
  for (;;) {
    try {
      if (!client) {
        transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
        const fresh = new Client({ name: "driver", version: "1.0.0" });
        await fresh.connect(transport);
        client = fresh;
      }
      const { tools } = await client.listTools();
      const found = await client.callTool({ name: "list_okta_users", arguments: { q: "ann" } });
      return { tools: tools.length, found: found.structuredContent.count };
    } catch (error) {
      client = undefined;
      if (!(error instanceof UnauthorizedError)) throw error;
      const query = await answer;
      if (query.get("state") !== state) throw new Error("The answer is not for this login.");
      await transport.finishAuth(query.get("code"), query.get("iss") ?? undefined);
    }
  }
}

for await (const _ of createInterface({ input: process.stdin })) {
  say(await use().catch((error) => ({ failed: String(error?.stack ?? error) })));
}
process.exit(0);
