// What single providers do differently, replayed as they document it: what they refuse in a request, and how their answers
// look. Behind it stands the same real server. The sources are those of src/apiloom/vault/oauth/providers.toml.
//
// auth: how the client must prove itself at the token endpoint. json: the body must be JSON. separator: what joins scopes.
// offline: the scope or parameter without which no refresh token is given. verifier: "wanted" or "refused".
// keeps: refresh tokens are not rotated, and the answer to a refresh holds none. shape, error: how answers look.

const pick = (answer, ...names) => Object.fromEntries(names.filter((name) => name in answer).map((name) => [name, answer[name]]));
const without = (answer, ...names) => Object.fromEntries(Object.entries(answer).filter(([name]) => !names.includes(name)));
const ended = (answer) => answer.error === "invalid_grant";
const plainError = (answer, status) => ({ status, answer });

const table = {
  airtable: { auth: "basic", verifier: "wanted", shape: (a) => ({ ...a, refresh_expires_in: 5184000 }) },
  asana: {
    auth: "post", keeps: true,
    shape: (a) => ({ ...a, token_type: "bearer", data: { id: 4673218951, gid: "4673218951", name: "Greg Sanchez", email: "gsanchez@example.com" } }),
  },
  atlassian: {
    auth: "post", json: true, wants: { audience: "api.atlassian.com", prompt: "consent" }, offline: { scope: "offline_access" },
    error: (a, status) => (ended(a)
      ? { status: 403, answer: { error: "unauthorized_client", error_description: "refresh_token is invalid" } }
      : plainError(a, status)),
  },
  box: { auth: "post", shape: (a) => ({ ...a, restricted_to: [], token_type: "bearer" }) },
  dropbox: {
    auth: "basic", keeps: true, offline: { parameter: ["token_access_type", "offline"] },
    shape: (a) => ({ ...a, expires_in: 14400, token_type: "bearer", account_id: "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc", uid: "12345" }),
  },
  facebook: {
    auth: "post", separator: ",", norefresh: true,
    shape: (a) => ({ ...pick(a, "access_token"), token_type: "bearer", expires_in: 5183944 }),
    error: () => ({ status: 400, answer: { error: { message: "This authorization code has been used.", type: "OAuthException", code: 100, fbtrace_id: "x" } } }),
  },
  figma: { auth: "basic", keeps: true, refreshPath: "/refresh", shape: (a) => ({ ...a, user_id: 1234567, user_id_string: "1234567" }) },
  github: {
    auth: "post",
    // JSON is written only for those who ask for it; see `written`
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "bearer", scope: (a.scope ?? "").replaceAll(" ", ",") }),
    error: (a, _, grant) => ({ status: 200, answer: ended(a) ? { error: grant === "refresh_token" ? "bad_refresh_token" : "bad_verification_code" } : a }),
    asForm: true,
  },
  google: { auth: "post", keeps: true, offline: { parameter: ["access_type", "offline"] }, wants: { prompt: "consent" } },
  hubspot: {
    auth: "post", keeps: true, shape: (a) => ({ ...a, expires_in: 1800, token_type: "bearer" }),
    error: (a, status, grant) => ({
      status,
      answer: ended(a)
        ? { status: grant === "refresh_token" ? "BAD_REFRESH_TOKEN" : "BAD_AUTH_CODE", message: "missing or invalid", correlationId: "c" }
        : { status: "BAD_CLIENT_ID", message: "missing or unknown client id" },
    }),
  },
  linear: { auth: "post", separator: "," },
  linkedin: { auth: "post", verifier: "refused", keeps: true, shape: (a) => ({ ...a, expires_in: 5184000, scope: (a.scope ?? "").replaceAll(" ", ",") }) },
  mailchimp: { auth: "post", norefresh: true, shape: (a) => ({ ...pick(a, "access_token"), expires_in: 0, scope: null }) },
  microsoft: { auth: "post", offline: { scope: "offline_access" }, shape: (a) => ({ ...a, ext_expires_in: a.expires_in }) },
  notion: {
    auth: "basic", json: true, wants: { owner: "user" }, noscope: true,
    shape: (a) => ({
      ...pick(a, "access_token", "refresh_token"), token_type: "bearer", bot_id: "bot-1", workspace_id: "ws-1", workspace_name: "Acme",
      owner: { type: "user", user: { object: "user", id: "user-1", name: "Ada", person: { email: "ada@example.com" } } },
    }),
  },
  pipedrive: { auth: "basic", shape: (a) => ({ ...a, scope: (a.scope ?? "").replaceAll(" ", ","), api_domain: "https://acme.pipedrive.com" }) },
  quickbooks: { auth: "basic", back: { realmId: "123145725" }, shape: (a) => ({ ...a, token_type: "bearer", x_refresh_token_expires_in: 8726400 }) },
  reddit: { auth: "basic", keeps: true, offline: { parameter: ["duration", "permanent"] }, shape: (a) => ({ ...a, token_type: "bearer" }) },
  salesforce: {
    auth: "post", keeps: true, offline: { scope: "refresh_token" },
    shape: (a) => ({ ...without(a, "expires_in"), instance_url: "https://acme.my.salesforce.com", id: "https://login.salesforce.com/id/00D/005", issued_at: "1278448832702", signature: "s" }),
    error: (a) => ({ status: 400, answer: ended(a) ? { error: "inactive_user", error_description: "user is inactive" } : a }),
  },
  shopify: {
    auth: "post", separator: ",", norefresh: true, back: { shop: "acme.myshopify.com", timestamp: "1337178173" },
    shape: (a) => ({ access_token: a.access_token, scope: (a.scope ?? "").replaceAll(" ", ",") }),
  },
  slack: {
    auth: "basic", separator: ",", verifier: "refused",
    shape: (a) => ({
      ok: true, ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "bot", scope: (a.scope ?? "").replaceAll(" ", ","),
      bot_user_id: "U0KRQLJ9H", team: { name: "Slack Softball Team", id: "T9TK3CUKW" }, authed_user: { id: "U1234" },
    }),
    error: (a, _, grant) => ({ status: 200, answer: { ok: false, error: ended(a) ? (grant === "refresh_token" ? "invalid_refresh_token" : "invalid_code") : "bad_client_secret" } }),
  },
  "slack-user": {
    auth: "basic", separator: ",", scopeParameter: "user_scope", verifier: "refused",
    shape: (a, grant) => {
      const own = { ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "user", scope: (a.scope ?? "").replaceAll(" ", ",") };
      const team = { name: "Slack Softball Team", id: "T9TK3CUKW" };
      return grant === "refresh_token" ? { ok: true, ...own, team } : { ok: true, team, authed_user: { id: "U1234", ...own } };
    },
    error: (a, _, grant) => ({ status: 200, answer: { ok: false, error: grant === "refresh_token" ? "invalid_refresh_token" : "invalid_code" } }),
  },
  spotify: { auth: "basic", keeps: true },
  square: {
    auth: "post", json: true, wants: { session: "false" }, verifier: "refused",
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token"), token_type: "bearer", merchant_id: "MERCHANT", expires_at: new Date(Date.now() + a.expires_in * 1000).toISOString() }),
  },
  strava: {
    auth: "post", separator: ",",
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "Bearer", expires_at: Math.floor(Date.now() / 1000) + a.expires_in, athlete: { id: 134815, username: "marianne_t" } }),
    error: () => ({ status: 400, answer: { message: "Bad Request", errors: [{ resource: "RefreshToken", field: "refresh_token", code: "invalid" }] } }),
  },
  stripe: { auth: "post", norefresh: true, verifier: "refused", shape: (a) => ({ access_token: a.access_token, token_type: "bearer", scope: "read_write", livemode: false, stripe_user_id: "acct_1" }) },
  tiktok: {
    auth: "post", client: "client_key", separator: ",", verifier: "refused",
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token", "expires_in"), open_id: "afd97af1", scope: (a.scope ?? "").replaceAll(" ", ","), refresh_expires_in: 31536000, token_type: "Bearer" }),
    error: (a, status) => ({ status: ended(a) ? 200 : status, answer: { ...a, log_id: "l" } }),
  },
  twitch: { auth: "post", shape: (a) => ({ ...a, scope: (a.scope ?? "").split(" "), token_type: "bearer" }) },
  x: { auth: "basic", verifier: "wanted", offline: { scope: "offline.access" }, shape: (a) => ({ ...a, token_type: "bearer" }) },
  xero: { auth: "basic", offline: { scope: "offline_access" } },
  zoho: {
    auth: "post", separator: ",", keeps: true, verifier: "refused", offline: { parameter: ["access_type", "offline"] },
    back: { location: "eu", "accounts-server": "https://accounts.zoho.eu" },
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token"), expires_in: a.expires_in * 1000, expires_in_sec: a.expires_in, api_domain: "https://www.zohoapis.eu", token_type: "Bearer" }),
    error: (a, status) => (ended(a) ? { status: 200, answer: { error: "invalid_code" } } : plainError(a, status)),
  },
  zoom: { auth: "basic", error: (a, status) => ({ status, answer: ended(a) ? { reason: "Invalid Token!", error: "invalid_grant" } : a }) },
};

let offline = true;

// The authorization request in the standard's words, or why it is refused.
export function authorized(name, query) {
  const rules = table[name];
  const place = rules.scopeParameter ?? "scope";
  const separator = rules.separator ?? " ";
  const given = query.get(place) ?? "";
  const scopes = given.split(separator).filter(Boolean);
  if (rules.noscope ? given : scopes.some((one) => /[ ,]/.test(one))) return { refused: "invalid_scope" };
  if (rules.client && !query.has(rules.client)) return { refused: `${rules.client} is missing` };
  if (rules.verifier === "refused" && query.has("code_challenge")) return { refused: "code_challenge is not known" };
  if (rules.verifier === "wanted" && query.get("code_challenge_method") !== "S256") return { refused: "code_challenge is missing" };
  for (const [key, value] of Object.entries(rules.wants ?? {})) if (query.get(key) !== value) return { refused: `${key} must be ${value}` };
  offline = !rules.offline
    || scopes.includes(rules.offline.scope)
    || (rules.offline.parameter && query.get(rules.offline.parameter[0]) === rules.offline.parameter[1]);
  if (rules.client) query.set("client_id", query.get(rules.client));
  query.set("scope", ["openid", ...scopes.filter((one) => ["read", "write", "admin"].includes(one))].join(" "));
  for (const key of ["audience", "prompt", "session", "owner"]) query.delete(key);
  return { query, back: rules.back ?? {} };
}

// The token request as a form of the standard, or why it is refused.
export function asked(name, path, headers, raw) {
  const rules = table[name];
  const isJson = (headers["content-type"] ?? "").startsWith("application/json");
  if (isJson !== Boolean(rules.json)) return { refused: "invalid_request" };
  const form = new URLSearchParams(isJson ? JSON.parse(raw) : raw);
  const renews = form.get("grant_type") === "refresh_token";
  if (path !== (renews && rules.refreshPath ? rules.refreshPath : "/token")) return { refused: "invalid_request" };
  const basic = (headers.authorization ?? "").startsWith("Basic ");
  if (basic !== (rules.auth === "basic") || form.has("client_secret") === basic) return { refused: "invalid_client", status: 401 };
  if (rules.client) {
    if (!form.has(rules.client)) return { refused: "invalid_request" };
    form.set("client_id", form.get(rules.client));
  }
  if (rules.verifier === "refused" && form.has("code_verifier")) return { refused: "invalid_request" };
  return { form };
}

// The answer as the provider would write it: [status, content type, text].
export function answered(name, status, answer, grant, headers) {
  const rules = table[name];
  let told = answer;
  let code = status;
  if (answer.error) {
    ({ status: code, answer: told } = (rules.error ?? plainError)(answer, status, grant));
  } else {
    let plain = without(answer, "id_token");
    if (rules.norefresh || (grant === "authorization_code" && !offline) || (rules.keeps && grant === "refresh_token")) plain = without(plain, "refresh_token");
    told = rules.shape ? rules.shape(plain, grant) : plain;
  }
  if (rules.asForm && !(headers.accept ?? "").includes("json")) return [code, "application/x-www-form-urlencoded", new URLSearchParams(told).toString()];
  return [code, "application/json", JSON.stringify(told)];
}

export const rotates = (name) => !name || !table[name].keeps;
export const known = (name) => name === "" || name in table;
