// Signs in at an MCP server from its bare URL with the official TypeScript clients, then lists and calls.
// Prints the URL that a person has to open as {"open": …}, reads where they ended from standard input, and prints what
// was listed and called.
//
//   node sign_in.mjs CLIENT URL REDIRECT TOOL            CLIENT is v1 or v2

import { createInterface } from "node:readline";

const [client, target, redirect, tool] = process.argv.slice(2);

async function made() {
  if (client === "v1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    return { client: () => new Client({ name: "sign-in", version: "1" }), Http: StreamableHTTPClientTransport };
  }
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const negotiation = { versionNegotiation: { mode: "auto" } };
  return { client: () => new Client({ name: "sign-in", version: "2" }, negotiation), Http: StreamableHTTPClientTransport };
}

let opened;
const kept = {};
const provider = {
  get redirectUrl() { return redirect; },
  get clientMetadata() {
    return { client_name: `TypeScript ${client}`, redirect_uris: [redirect], grant_types: ["authorization_code", "refresh_token"] };
  },
  clientInformation: () => kept.client,
  saveClientInformation: (value) => { kept.client = value; },
  tokens: () => kept.tokens,
  saveTokens: (value) => { kept.tokens = value; },
  redirectToAuthorization: (url) => { opened = String(url); },
  saveCodeVerifier: (value) => { kept.verifier = value; },
  codeVerifier: () => kept.verifier,
};

const { client: fresh, Http } = await made();
const first = new Http(new URL(target), { authProvider: provider });
try {
  await fresh().connect(first);
  throw new Error("nobody was asked to sign in");
} catch (error) {
  if (opened === undefined) throw error;
}
console.log(JSON.stringify({ open: opened }));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const came = new URL((await lines.next()).value);
await first.finishAuth(client === "v1" ? came.searchParams.get("code") : came.searchParams);

const here = fresh();
await here.connect(new Http(new URL(target), { authProvider: provider }));
const listed = (await here.listTools()).tools.map((each) => each.name);
const answer = await here.callTool({ name: tool, arguments: {} });
await here.close();
console.log(JSON.stringify({ listed, answer: answer.structuredContent, expires: kept.tokens.expires_in }));
process.exit(0);
