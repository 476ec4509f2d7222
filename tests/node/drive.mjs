// Lists the tools of an MCP server and calls some, with the official TypeScript clients. Prints one line of JSON.
//
//   node drive.mjs CLIENT MODE CALLS http URL
//   node drive.mjs CLIENT MODE CALLS stdio COMMAND ARGUMENT...
//
// CLIENT is v1 (@modelcontextprotocol/sdk) or v2 (@modelcontextprotocol/client); MODE is legacy, auto or a revision that
// v2 is pinned to; CALLS is a JSON array of {"name", "arguments"}.

const [client, mode, calls, transport, target, ...rest] = process.argv.slice(2);

async function v1() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
  return { made: new Client({ name: "drive", version: "1" }), Http: StreamableHTTPClientTransport, Stdio: StdioClientTransport };
}

async function v2() {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const chosen = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  const made = new Client({ name: "drive", version: "2" }, { versionNegotiation: { mode: chosen } });
  return { made, Http: StreamableHTTPClientTransport, Stdio: StdioClientTransport };
}

const { made, Http, Stdio } = await (client === "v1" ? v1() : v2());
const line = transport === "http"
  ? new Http(new URL(target))
  : new Stdio({ command: target, args: rest, env: { ...process.env }, stderr: "inherit" });
await made.connect(line);

const tools = [];
let cursor;
do {
  const page = await made.listTools(cursor === undefined ? {} : { cursor });
  tools.push(...page.tools);
  cursor = page.nextCursor;
} while (cursor !== undefined);

const answers = [];
for (const call of JSON.parse(calls)) {
  try {
    answers.push({ result: await made.callTool(call) });
  } catch (error) {
    answers.push({ error: { code: error.code, message: String(error.message) } });
  }
}
const version = made.getNegotiatedProtocolVersion?.() ?? line.protocolVersion ?? line._protocolVersion ?? null;
const server = made.getServerVersion?.() ?? null;
await made.close();
console.log(JSON.stringify({ version, server, tools, answers }));
