// Calls one tool of an MCP server that needs a page to be opened, with the official TypeScript clients.
// Prints one line of JSON: what the person was asked, and what came of the call.
//
//   node visit.mjs CLIENT MODE ACTION URL TOOL
//
// CLIENT is v1 (@modelcontextprotocol/sdk) or v2 (@modelcontextprotocol/client); MODE as for drive.mjs; ACTION is what
// the person says: accept, decline or cancel. Before they say it, DONE is fetched: the page was visited.

const [client, mode, action, target, tool, done] = process.argv.slice(2);
const capabilities = { elicitation: { url: {} } };
const asked = [];
const answer = async (request) => {
  asked.push(request.params);
  if (action === "accept" && done) await fetch(done);
  return { action };
};

let made, Http;
if (client === "v1") {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  made = new Client({ name: "visit", version: "1" }, { capabilities });
  made.setRequestHandler(ElicitRequestSchema, answer);
  Http = StreamableHTTPClientTransport;
} else {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const chosen = mode === "legacy" || mode === "auto" ? mode : { pin: mode };
  made = new Client({ name: "visit", version: "2" }, { capabilities, versionNegotiation: { mode: chosen } });
  made.setRequestHandler("elicitation/create", answer);
  Http = StreamableHTTPClientTransport;
}
await made.connect(new Http(new URL(target)));
let result = null;
let error = null;
try {
  result = await made.callTool({ name: tool, arguments: {} });
} catch (caught) {
  error = { code: caught.code, data: caught.data ?? null };
}
await made.close();
console.log(JSON.stringify({ asked, result, error }));
