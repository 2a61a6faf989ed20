// An MCP client in JavaScript with the TypeScript SDK: it registers itself, sends its person to the
// login, lists the tools and calls one. Nothing is known beforehand but the URL.
//
//   npm install @modelcontextprotocol/sdk@1.32
//   node client.mjs http://localhost:3001/mcp

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** What the SDK asks of an OAuth client, kept in memory. A real client keeps it in a keyring. */
class Login {
  #state = randomBytes(32).toString("base64url");

  constructor(redirectUrl, open) {
    this.redirectUrl = redirectUrl;
    this.redirectToAuthorization = open;
    this.clientMetadata = {
      client_name: "JavaScript example",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state = () => this.#state;
  clientInformation = () => this.registration;
  saveClientInformation = (registration) => void (this.registration = registration);
  tokens = () => this.saved;
  saveTokens = (tokens) => void (this.saved = tokens);
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => void (this.verifier = verifier);
  discoveryState = () => this.discovery;
  saveDiscoveryState = (discovery) => void (this.discovery = discovery);

  /** The code of the browser's answer; throws where the answer is a no or is not ours. */
  code(answer) {
    const issuer = this.discovery?.authorizationServerMetadata?.issuer;
    if (answer.get("state") !== this.#state || answer.get("iss") !== issuer) {
      throw new Error("The answer in the browser does not belong to this login.");
    }
    if (answer.has("error")) {
      throw new Error(`No access: ${answer.get("error_description") ?? answer.get("error")}`);
    }
    return answer.get("code");
  }
}

/** Listens on a free port of 127.0.0.1 for the browser's one answer. */
async function callback() {
  let arrived;
  const answer = new Promise((resolve) => (arrived = resolve));
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    const isAnswer = url.pathname === "/callback";
    response.writeHead(isAnswer ? 200 : 404, { "Content-Type": "text/plain", Connection: "close" });
    response.end(isAnswer ? "You can close this page and go back." : "Not here.");
    if (isAnswer) arrived(url.searchParams);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const redirectUrl = `http://127.0.0.1:${server.address().port}/callback`;
  return { redirectUrl, answer, close: () => server.close() };
}

/** A connected client of the server at `mcpUrl`; `open` is handed the URL for the browser. */
export async function connect(mcpUrl, open = (url) => console.log(`Open: ${url}`)) {
  const client = new Client({ name: "javascript-example", version: "1.0.0" });
  const waiting = await callback();
  const login = new Login(waiting.redirectUrl, open);
  const transport = () =>
    new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: login });
  const first = transport();
  try {
    await client.connect(first);
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    await first.finishAuth(login.code(await waiting.answer));
    await client.connect(transport());
  } finally {
    waiting.close();
  }
  return client;
}

async function main(mcpUrl) {
  const client = await connect(mcpUrl);
  const { tools } = await client.listTools();
  for (const { name, title } of tools) console.log(JSON.stringify({ tool: name, title }));
  const found = await client.callTool({ name: "list_okta_users", arguments: { q: "ann" } });
  console.log(JSON.stringify({ result: found.structuredContent ?? found.content }));
  await client.close();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (process.argv.length !== 3) {
    console.error("Usage: node client.mjs URL");
    process.exit(64);
  }
  await main(process.argv[2]).catch((error) => {
    console.error(`Error: ${error.message}`);
    process.exitCode = 1;
  });
}
