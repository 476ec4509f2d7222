// A real authorization server (oidc-provider) for tests, on a free port of one address.
//
//   node oidc.mjs '{"settings": …}'          prints one line of JSON when it listens, ends with its standard input
//
// POST /_control/{down,up,hold,release,ttl,skew,delay,revoke,rotate_keys,allow,fail,stats,reset} steers it while it runs.
// Everything else is oidc-provider, which lets anyone in who gives a login.

import * as http from "node:http";
import * as crypto from "node:crypto";
import * as quirks from "./quirks.mjs";

const settings = JSON.parse(process.argv[2] ?? "{}");
const quiet = console.info;
console.info = console.warn = () => {};
const { default: Provider, errors } = await import("oidc-provider");

// --- the clock, which tests may set wrong

const TrueDate = Date;
let skewed = 0;
globalThis.Date = class extends TrueDate {
  constructor(...given) {
    given.length ? super(...given) : super(TrueDate.now() + skewed * 1000);
  }
  static now() {
    return TrueDate.now() + skewed * 1000;
  }
};

// --- what the server remembers; it outlives a change of its signing keys

const kept = new Map();

class Adapter {
  constructor(model) {
    this.model = model;
  }
  key(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload, seconds) {
    kept.set(this.key(id), { payload, ends: seconds === undefined ? Infinity : Date.now() + seconds * 1000 });
  }
  async find(id) {
    const found = kept.get(this.key(id));
    // what has ended is still found for a while: the provider itself says that it has
    return found && found.ends + 60_000 > Date.now() ? found.payload : undefined;
  }
  async findByUid(uid) {
    return this.first((payload) => payload.uid === uid);
  }
  async findByUserCode(code) {
    return this.first((payload) => payload.userCode === code);
  }
  async consume(id) {
    kept.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    kept.delete(this.key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of kept) if (payload.grantId === grantId) kept.delete(key);
  }
  first(wanted) {
    for (const [key, { payload }] of kept) if (key.startsWith(`${this.model}:`) && wanted(payload)) return payload;
    return undefined;
  }
}

function revoked(login) {
  let count = 0;
  for (const [key, { payload }] of kept) {
    if (key.startsWith("Session:") || payload.accountId !== login) continue;
    kept.delete(key);
    count += 1;
  }
  return count;
}

// --- who may ask

const SCOPES = ["openid", "offline_access", "profile", "email", "read", "write", "admin", ...(settings.scopes ?? [])];
const CODE = "authorization_code";
const REFRESH = "refresh_token";
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const pair = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
const clientKey = { ...pair.publicKey.export({ format: "jwk" }), kid: "client-1", use: "sig" };

function client(client_id, method, grant_types, more = {}) {
  const withSecret = method.startsWith("client_secret") ? { client_secret: settings.secret } : {};
  const withKey = method === "private_key_jwt" ? { jwks: { keys: [clientKey] } } : {};
  const codes = grant_types.includes(CODE);
  return {
    client_id,
    client_name: `The ${client_id} client`,
    grant_types,
    token_endpoint_auth_method: method,
    response_types: codes ? ["code"] : [],
    redirect_uris: codes ? settings.redirect_uris : [],
    ...withSecret,
    ...withKey,
    ...more,
  };
}

const clients = [
  client("web", "client_secret_basic", [CODE, REFRESH, EXCHANGE]),
  client("posted", "client_secret_post", [CODE, REFRESH, "client_credentials"]),
  client("secret-jwt", "client_secret_jwt", [CODE, REFRESH, "client_credentials"]),
  client("machine", "client_secret_basic", ["client_credentials", EXCHANGE]),
  client("signed", "private_key_jwt", [CODE, REFRESH, "client_credentials", EXCHANGE]),
  client("device", "none", [DEVICE, REFRESH]),
  client("public", "none", [CODE, REFRESH], { application_type: "native" }),
  client("service@project.example", "none", [ASSERTION], { jwks: { keys: [clientKey] } }),
  ...(settings.clients ?? []),
];

// --- the provider, built anew when its keys change

let ttl = settings.ttl;
const allowed = new Set(settings.redirect_uris);
const signingKeys = [newKey()];
const counted = {};
const told = [];
let issuer = "";
let provider;
let answer;

function newKey() {
  const { privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: crypto.randomUUID(), use: "sig", alg: "RS256" };
}

function count(what, outcome) {
  const key = `${what} ${outcome}`;
  counted[key] = (counted[key] ?? 0) + 1;
}

function claimsOf(login) {
  return { sub: login, name: `The user ${login}`, email: `${login}@example.com`, ...(settings.claims?.[login] ?? {}) };
}

function build() {
  const made = new Provider(issuer, {
    adapter: Adapter,
    clients,
    jwks: { keys: signingKeys },
    cookies: { keys: ["a key of the tests"] },
    scopes: SCOPES,
    claims: { openid: ["sub", ...(settings.extra_claims ?? [])], email: ["email"], profile: ["name"] },
    conformIdTokenClaims: false,
    pkce: { required: (_, asking) => asking.clientAuthMethod === "none" || settings.pkce },
    rotateRefreshToken: () => settings.rotate && quirks.rotates(quirk),
    issueRefreshToken: async (_, asking) => asking.grantTypeAllowed(REFRESH),
    expiresWithSession: async () => false,
    extraParams: settings.extra_params ?? [],
    findAccount: async (_, login) => ({ accountId: login, claims: async () => claimsOf(login) }),
    extraTokenClaims: async (_, token) => settings.claims?.[token.accountId ?? token.clientId],
    ttl: {
      AccessToken: () => ttl,
      ClientCredentials: () => ttl,
      IdToken: () => ttl,
      RefreshToken: settings.refresh_ttl,
      Grant: settings.refresh_ttl,
      Session: settings.refresh_ttl,
      DeviceCode: settings.device_ttl,
      AuthorizationCode: 60,
      Interaction: 600,
    },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true },
      registration: { enabled: true },
      registrationManagement: { enabled: true },
      claimsParameter: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => settings.default_resource,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_, resource) => {
          if (settings.resources && !settings.resources.includes(resource)) throw new errors.InvalidTarget();
          const scope = SCOPES.filter((one) => !["openid", "offline_access"].includes(one)).join(" ");
          return { scope, audience: resource, accessTokenTTL: ttl, accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } };
        },
      },
    },
  });
  made.Client.prototype.redirectUriAllowed = function redirectUriAllowed(uri) {
    return allowed.has(uri) || this.redirectUris.includes(uri);
  };
  made.registerGrantType(ASSERTION, byAssertion, ["assertion", "scope"]);
  made.registerGrantType(EXCHANGE, byExchange, [
    "subject_token", "subject_token_type", "actor_token", "actor_token_type", "requested_token_type", "audience", "scope",
    "resource",
  ]);
  made.on("grant.success", (ctx) => count(ctx.oidc.params.grant_type, "ok"));
  made.on("grant.error", (ctx, error) => {
    count(ctx.oidc.params?.grant_type ?? ctx.oidc.body?.grant_type ?? "unread", error.error ?? "error");
    told.push({ grant: ctx.oidc.params?.grant_type, error: error.error, detail: error.error_detail ?? error.error_description });
  });
  made.on("server_error", (_, error) => told.push({ error: "server_error", detail: String(error.stack) }));
  made.on("revocation.error", (_, error) => count("revocation", error.error));
  provider = made;
  answer = made.callback();
}

// --- grants that oidc-provider leaves to others

async function tokenFor(ctx, accountId, { audience, type = "jwt" } = {}) {
  const { client: asking, params } = ctx.oidc;
  const granted = (params.scope ?? "").split(" ").filter((one) => SCOPES.includes(one)).join(" ");
  const grant = new provider.Grant({ accountId, clientId: asking.clientId });
  grant.addOIDCScope(granted);
  const grantId = await grant.save();
  const token = new provider.AccessToken({ accountId, client: asking, grantId, gty: params.grant_type, scope: granted });
  if (audience) {
    token.resourceServer = new provider.ResourceServer(audience, {
      scope: SCOPES.join(" "), audience, accessTokenTTL: ttl, accessTokenFormat: type, jwt: { sign: { alg: "RS256" } },
    });
  }
  ctx.oidc.entity("AccessToken", token);
  return { access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType, scope: granted || undefined };
}

// RFC 7523 section 3
async function byAssertion(ctx) {
  const { client: asking, params } = ctx.oidc;
  const claims = verified(params.assertion, asking);
  const audiences = [].concat(claims.aud ?? []);
  if (!audiences.some((one) => one === issuer || one === `${issuer}/token`)) throw new errors.InvalidGrant("aud is not this server");
  const now = Date.now() / 1000;
  if (typeof claims.exp !== "number" || claims.exp < now || claims.exp > now + 3900) throw new errors.InvalidGrant("exp");
  if (claims.iat > now + 300) throw new errors.InvalidGrant("iat");
  params.scope ??= claims.scope;
  ctx.body = await tokenFor(ctx, claims.sub ?? claims.iss);
}

function verified(assertion, asking) {
  const [head, body, signature] = String(assertion).split(".");
  const header = JSON.parse(Buffer.from(head, "base64url").toString());
  const key = (asking.jwks?.keys ?? []).find((one) => !header.kid || one.kid === header.kid);
  if (!key || header.alg !== "RS256") throw new errors.InvalidGrant("no such key");
  const ok = crypto.verify(
    "sha256", Buffer.from(`${head}.${body}`), crypto.createPublicKey({ key, format: "jwk" }), Buffer.from(signature, "base64url"),
  );
  if (!ok) throw new errors.InvalidGrant("signature");
  return JSON.parse(Buffer.from(body, "base64url").toString());
}

// RFC 8693 section 2: the subject is a live access token of this server
async function byExchange(ctx) {
  const { params } = ctx.oidc;
  if (params.subject_token_type !== "urn:ietf:params:oauth:token-type:access_token") throw new errors.InvalidRequest("subject_token_type");
  const login = await subjectOf(params.subject_token);
  if (!login) throw new errors.InvalidGrant("the subject token is not live");
  const audience = params.audience ?? [].concat(params.resource ?? [])[0];
  ctx.body = {
    ...(await tokenFor(ctx, login, { audience })),
    issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
  };
}

async function subjectOf(token) {
  const opaque = await provider.AccessToken.find(token);
  if (opaque) return opaque.accountId;
  try {
    const [head, body, signature] = String(token).split(".");
    const { kid } = JSON.parse(Buffer.from(head, "base64url").toString());
    const key = signingKeys.find((one) => one.kid === kid);
    const signed = Buffer.from(`${head}.${body}`);
    const ok = key && crypto.verify("sha256", signed, crypto.createPublicKey({ key, format: "jwk" }), Buffer.from(signature, "base64url"));
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    return ok && claims.exp > Date.now() / 1000 ? claims.sub : undefined;
  } catch {
    return undefined;
  }
}

// --- mishaps, told from outside

let down = "";
let delay = 0;
let failing = [];
let held = null;
let waiting = 0;
let quirk = settings.quirk ?? "";

const controls = {
  down: ({ how }) => { down = how; },
  up: () => { down = ""; },
  hold: () => { held ??= Promise.withResolvers(); },
  release: () => { held?.resolve(); held = null; },
  ttl: ({ seconds }) => { ttl = seconds; },
  skew: ({ seconds }) => { skewed = seconds; },
  delay: ({ seconds }) => { delay = seconds; },
  revoke: ({ login }) => ({ revoked: revoked(login) }),
  allow: ({ redirect_uri }) => { allowed.add(redirect_uri); },
  fail: ({ status, body, content_type, times }) => { failing.push(...Array(times).fill({ status, body, content_type })); },
  stats: () => ({ counted, waiting, told }),
  quirk: ({ name }) => { quirk = quirks.known(name) ? name : ""; return { known: quirk === name }; },
  reset: () => { for (const key of Object.keys(counted)) delete counted[key]; told.length = 0; },
  rotate_keys: ({ keep }) => {
    signingKeys.unshift(newKey());
    if (!keep) signingKeys.length = 1;
    build();
  },
};

const bodyOf = async (request) => Buffer.concat(await Array.fromAsync(request)).toString();

async function control(request, response, name) {
  const given = JSON.parse((await bodyOf(request)) || "{}");
  const result = controls[name]?.(given) ?? {};
  response.writeHead(controls[name] ? 200 : 404, { "content-type": "application/json" }).end(JSON.stringify(result));
}

async function tokens(request, response, path) {
  const raw = await bodyOf(request);
  request.body = new URLSearchParams(raw);
  if (quirk) {
    const { form, refused, status = 400 } = quirks.asked(quirk, path, request.headers, raw);
    const grant = form?.get("grant_type");
    const end = response.end.bind(response);
    response.end = (body) => {
      const [code, type, text] = quirks.answered(quirk, response.statusCode, JSON.parse(String(body)), grant, request.headers);
      response.statusCode = code;
      response.setHeader("content-type", type);
      response.setHeader("content-length", Buffer.byteLength(text));
      return end(text);
    };
    if (refused) {
      count("token", refused);
      response.statusCode = status;
      return response.end(JSON.stringify({ error: refused }));
    }
    request.body = form;
    request.url = "/token";
    request.headers["content-type"] = "application/x-www-form-urlencoded";
  }
  const grant = request.body.get("grant_type") ?? "unread";
  if (held) {
    waiting += 1;
    await held.promise;
    waiting -= 1;
  }
  if (delay) await new Promise((resolve) => setTimeout(resolve, delay * 1000));
  if (down) {
    count(grant, "down");
    if (down === "close") return request.socket.destroy();
    return response.writeHead(503, { "content-type": "text/html" }).end("<h1>Service Unavailable</h1>");
  }
  const failure = failing.shift();
  if (failure) {
    count(grant, "failed");
    return response.writeHead(failure.status, { "content-type": failure.content_type }).end(failure.body);
  }
  // RFC 7521 section 4.1: with an assertion the client need not name itself; its issuer does
  if (grant === ASSERTION && !request.body.has("client_id") && !request.headers.authorization) named(request);
  request.body = Object.fromEntries([...new Set(request.body.keys())].map((key) => {
    const values = request.body.getAll(key);
    return [key, values.length === 1 ? values[0] : values];
  }));
  return answer(request, response);
}

function named(request) {
  try {
    const claims = JSON.parse(Buffer.from(request.body.get("assertion").split(".")[1], "base64url").toString());
    request.body.set("client_id", claims.iss);
  } catch {
    // refused by the provider: no client
  }
}

function authorizing(request, response) {
  const asked = new URL(request.url, "http://here");
  const { query, back, refused } = quirks.authorized(quirk, asked.searchParams);
  if (refused) {
    response.writeHead(400, { "content-type": "text/plain" }).end(refused);
    return false;
  }
  going = back;
  request.url = `/auth?${query}`;
  return true;
}

function identifying(request, response) {
  const said = quirks.identified(quirk, request.headers);
  if (said === null) return;
  const end = response.end.bind(response);
  response.end = (...given) => {
    if (response.statusCode !== 200) return end(...given);
    response.setHeader("content-length", Buffer.byteLength(said));
    return end(said);
  };
}

// What the provider adds to the way back.
let going = {};

function goingBack(response) {
  const end = response.end.bind(response);
  response.end = (...given) => {
    const place = response.getHeader("location");
    if (place?.includes("code=")) {
      const back = new URL(place);
      for (const [name, value] of Object.entries(going)) back.searchParams.set(name, value);
      response.setHeader("location", back.href);
    }
    return end(...given);
  };
}

const server = http.createServer(async (request, response) => {
  response.setHeader("date", new Date().toUTCString());
  const { pathname } = new URL(request.url, "http://here");
  try {
    if (pathname.startsWith("/_control/")) return await control(request, response, pathname.slice(10));
    if (request.method === "POST" && (pathname === "/token" || pathname === "/refresh")) return await tokens(request, response, pathname);
    if (quirk && pathname === "/auth" && !authorizing(request, response)) return undefined;
    if (quirk) goingBack(response);
    if (quirk && pathname === "/me") identifying(request, response);
    count(/^\/(interaction|auth)\//.test(pathname) ? pathname.split("/")[1] : pathname.slice(1), request.method);
    if (down) {
      if (down === "close") return request.socket.destroy();
      return response.writeHead(503).end();
    }
    return answer(request, response);
  } catch (error) {
    told.push({ error: "harness", detail: String(error.stack) });
    if (!response.headersSent) response.writeHead(500);
    return response.end();
  }
});

server.listen(settings.port ?? 0, settings.host, () => {
  const { port } = server.address();
  issuer = settings.issuer || `http://${settings.host}:${port}`;
  build();
  const key = pair.privateKey.export({ format: "pem", type: "pkcs8" });
  quiet(JSON.stringify({ issuer, port, key }));
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
