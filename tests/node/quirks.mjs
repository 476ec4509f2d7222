// What single providers do differently, replayed as they document it: what they refuse in a request, and how their answers
// look. Behind it stands the same real server. The sources are those of src/apiloom/vault/oauth/providers.toml.
//
// auth: how the client must prove itself at the token endpoint. json: the body must be JSON. separator: what joins scopes.
// offline: the scope or parameter without which no refresh token is given. verifier: "wanted" or "refused".
// once: a refresh token works once, and each answer brings the next. keeps: the answer to a refresh brings none.
// headers: what every request must have. back: what else is said on the way back. shape, error, me: how answers look,
// those of the identity endpoint too.

const pick = (answer, ...names) => Object.fromEntries(names.filter((name) => name in answer).map((name) => [name, answer[name]]));
const without = (answer, ...names) => Object.fromEntries(Object.entries(answer).filter(([name]) => !names.includes(name)));
const ended = (answer) => answer.error === "invalid_grant";
const plainError = (answer, status) => ({ status, answer });
const slackError = (answer, _, grant) => ({
  status: 200,
  answer: { ok: false, error: !ended(answer) ? "bad_client_secret" : grant === "refresh_token" ? "invalid_refresh_token" : "invalid_code" },
});
const joined = (answer, sign) => (answer.scope ?? "").replaceAll(" ", sign);

const table = {
  airtable: {
    auth: "basic", once: true, verifier: "wanted", shape: (a) => ({ ...a, refresh_expires_in: 5184000 }),
    me: () => ({ id: "usr12345", scopes: ["data.records:read"], email: "foo@bar.com" }),
  },
  asana: {
    auth: "post", keeps: true,
    shape: (a) => ({ ...a, token_type: "bearer", data: { id: 4673218951, gid: "4673218951", name: "Greg Sanchez", email: "gsanchez@example.com" } }),
  },
  atlassian: {
    auth: "post", once: true, json: true, wants: { audience: "api.atlassian.com", prompt: "consent" }, offline: { scope: "offline_access" },
    error: (a, status) => (ended(a)
      ? { status: 403, answer: { error: "unauthorized_client", error_description: "refresh_token is invalid" } }
      : plainError(a, status)),
    me: () => ({ account_type: "atlassian", account_id: "112233aa-bb11-cc22", email: "mia@example.com", name: "Mia Krystof" }),
  },
  box: {
    auth: "post", once: true, shape: (a) => ({ ...a, restricted_to: [], token_type: "bearer" }),
    me: () => ({ type: "user", id: "11446498", name: "Aaron Levie", login: "ceo@example.com" }),
  },
  discord: {
    auth: "basic", shape: (a) => ({ ...a, token_type: "Bearer", expires_in: 604800 }),
    me: () => ({ id: "80351110224678912", username: "Nelly", discriminator: "1337", email: "nelly@discord.com", verified: true }),
  },
  dropbox: {
    auth: "basic", keeps: true, offline: { parameter: ["token_access_type", "offline"] },
    shape: (a) => ({ ...a, expires_in: 14400, token_type: "bearer", account_id: "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc", uid: "12345" }),
  },
  facebook: {
    auth: "post", separator: ",", norefresh: true,
    shape: (a) => ({ ...pick(a, "access_token"), token_type: "bearer", expires_in: 5183944 }),
    error: () => ({ status: 400, answer: { error: { message: "This authorization code has been used.", type: "OAuthException", code: 100, fbtrace_id: "x" } } }),
    me: () => ({ id: "10150000000000000", name: "Ada Lovelace", email: "ada@example.com" }),
  },
  figma: { auth: "basic", keeps: true, refreshPath: "/refresh", shape: (a) => ({ ...a, user_id: 1234567, user_id_string: "1234567" }) },
  fitbit: {
    auth: "basic", once: true, shape: (a) => ({ ...a, expires_in: 28800, user_id: "26FWFL" }),
    error: (a, status) => ({ status, answer: { errors: [{ errorType: a.error, message: "Visit the documentation for more of it." }], success: false } }),
  },
  github: {
    auth: "post", once: true,
    // JSON is written only for those who ask for it; see `written`
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "bearer", scope: joined(a, ",") }),
    error: (a, _, grant) => ({ status: 200, answer: ended(a) ? { error: grant === "refresh_token" ? "bad_refresh_token" : "bad_verification_code" } : a }),
    asForm: true,
    me: () => ({ login: "octocat", id: 583231, type: "User", name: null, email: "octocat@github.com" }),
  },
  gitlab: {
    auth: "post", once: true, shape: (a) => ({ ...without(a, "scope"), token_type: "bearer", expires_in: 7200, created_at: 1607635748 }),
    me: () => ({ sub: "7", name: "Ada Lovelace", nickname: "ada", email: "ada@example.com" }),
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
  // asked of nobody without it, so that nobody can choose another workspace
  linear: { auth: "post", once: true, separator: ",", wants: { prompt: "consent" } },
  linkedin: {
    auth: "post", verifier: "refused", keeps: true, me: () => ({ sub: "782bbtaQ", name: "John Doe", email: "doe@example.com" }),
    shape: (a) => ({ ...a, expires_in: 5184000, scope: joined(a, ",") }),
  },
  mailchimp: { auth: "post", norefresh: true, shape: (a) => ({ ...pick(a, "access_token"), expires_in: 0, scope: null }) },
  microsoft: { auth: "post", offline: { scope: "offline_access" }, shape: (a) => ({ ...a, ext_expires_in: a.expires_in }) },
  notion: {
    auth: "basic", once: true, json: true, headers: ["notion-version"], wants: { owner: "user" }, noscope: true,
    shape: (a) => ({
      ...pick(a, "access_token", "refresh_token"), token_type: "bearer", bot_id: "bot-1", workspace_id: "ws-1", workspace_name: "Acme",
      owner: { type: "user", user: { object: "user", id: "user-1", name: "Ada", person: { email: "ada@example.com" } } },
    }),
    error: (a, status) => ({ status, answer: { object: "error", status, code: a.error, message: "It is not valid." } }),
  },
  okta: { auth: "basic", keeps: "shown", offline: { scope: "offline_access" }, shape: (a) => ({ ...a, expires_in: 3600 }) },
  pipedrive: { auth: "basic", shape: (a) => ({ ...a, scope: joined(a, ","), api_domain: "https://acme.pipedrive.com" }) },
  quickbooks: {
    auth: "basic", back: { realmId: "123145725" },
    shape: (a) => ({ ...without(a, "scope"), token_type: "bearer", x_refresh_token_expires_in: 8726400 }),
    me: () => ({ sub: "62aea54d", email: "ada@example.com", givenName: "Ada", emailVerified: true }),
  },
  reddit: { auth: "basic", keeps: true, offline: { parameter: ["duration", "permanent"] }, shape: (a) => ({ ...a, token_type: "bearer" }), me: () => ({ id: "1w72", name: "reddit_bot", link_karma: 1 }) },
  salesforce: {
    auth: "post", keeps: true, offline: { scope: "refresh_token" },
    shape: (a) => ({ ...without(a, "expires_in"), instance_url: "https://acme.my.salesforce.com", id: "https://login.salesforce.com/id/00D/005", issued_at: "1278448832702", signature: "s" }),
    me: () => ({ sub: "https://login.salesforce.com/id/00D/005", user_id: "005", organization_id: "00D", name: "Pat Patterson", email: "pat@example.com" }),
  },
  shopify: {
    auth: "post", separator: ",", verifier: "refused", norefresh: true, back: { shop: "acme.myshopify.com", timestamp: "1337178173" },
    shape: (a) => ({ access_token: a.access_token, scope: joined(a, ",") }),
  },
  slack: {
    auth: "basic", once: true, separator: ",", verifier: "refused",
    shape: (a) => ({
      ok: true, ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "bot", scope: joined(a, ","),
      bot_user_id: "U0KRQLJ9H", team: { name: "Slack Softball Team", id: "T9TK3CUKW" }, authed_user: { id: "U1234" },
    }),
    error: slackError,
  },
  "slack-user": {
    auth: "basic", once: true, separator: ",", scopeParameter: "user_scope", verifier: "refused",
    shape: (a, grant) => {
      const own = { ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "user", scope: joined(a, ",") };
      const team = { name: "Slack Softball Team", id: "T9TK3CUKW" };
      return grant === "refresh_token" ? { ok: true, ...own, team } : { ok: true, team, authed_user: { id: "U1234", ...own } };
    },
    error: slackError,
  },
  spotify: { auth: "basic", keeps: true, me: () => ({ id: "smedjan", display_name: "JM Wizzler", email: "email@example.com" }) },
  square: {
    auth: "post", json: true, wants: { session: "false" }, verifier: "refused",
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token"), token_type: "bearer", merchant_id: "MERCHANT", expires_at: new Date(Date.now() + a.expires_in * 1000).toISOString() }),
    // a wrong secret is told in another form than a code or token that is not known
    error: (a) => ({
      status: 401,
      answer: ended(a)
        ? { errors: [{ category: "AUTHENTICATION_ERROR", code: "UNAUTHORIZED", detail: "Authorization code not found for app sq0idp-1" }] }
        : { message: "Not Authorized", type: "service.not_authorized" },
    }),
  },
  strava: {
    auth: "post", once: true, separator: ",",
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token", "expires_in"), token_type: "Bearer", expires_at: Math.floor(Date.now() / 1000) + a.expires_in, athlete: { id: 134815, username: "marianne_t" } }),
    error: (a, status, grant) => ({
      status: 400,
      answer: { message: "Bad Request", errors: [{ resource: !ended(a) ? "Application" : grant === "refresh_token" ? "RefreshToken" : "AuthorizationCode", field: "", code: "invalid" }] },
    }),
  },
  stripe: { auth: "post", norefresh: true, verifier: "refused", shape: (a) => ({ access_token: a.access_token, token_type: "bearer", scope: "read_write", livemode: false, stripe_user_id: "acct_1" }) },
  tiktok: {
    auth: "post", client: "client_key", separator: ",", verifier: "refused",
    shape: (a) => ({ ...pick(a, "access_token", "refresh_token", "expires_in"), open_id: "afd97af1", scope: joined(a, ","), refresh_expires_in: 31536000, token_type: "Bearer" }),
    error: (a, status) => ({ status: ended(a) ? 200 : status, answer: { ...a, log_id: "l" } }),
  },
  twitch: {
    auth: "post", shape: (a) => ({ ...a, scope: (a.scope ?? "").split(" "), token_type: "bearer" }),
    error: (a, _, grant) => ({
      status: ended(a) ? 400 : 403,
      answer: ended(a)
        ? { error: "Bad Request", status: 400, message: grant === "refresh_token" ? "Invalid refresh token" : "Invalid authorization code" }
        : { error: "Forbidden", status: 403, message: "invalid client secret" },
    }),
    me: () => ({ sub: "713936733", aud: "hof5gwx0su6owfnys0nyan9c87zr6t", preferred_username: "scottvdp", email: "scott@example.com", email_verified: true }),
  },
  x: {
    auth: "basic", once: true, verifier: "wanted", offline: { scope: "offline.access" }, shape: (a) => ({ ...a, token_type: "bearer" }),
    error: (a, status, grant) => (ended(a)
      ? { status: 400, answer: { error: "invalid_request", error_description: `Value passed for the ${grant === "refresh_token" ? "token" : "authorization code"} was invalid.` } }
      : plainError(a, status)),
    me: () => ({ data: { id: "2244994945", name: "X Dev", username: "XDevelopers" } }),
  },
  xero: { auth: "basic", once: true, offline: { scope: "offline_access" }, me: () => ({ sub: "dc2a", xero_userid: "1945393b", name: "Ada Lovelace", email: "ada@example.com" }) },
  zendesk: { auth: "post", once: true, json: true, shape: (a) => ({ ...a, token_type: "bearer", expires_in: 172800, refresh_token_expires_in: 2592000 }) },
  zoho: {
    auth: "post", separator: ",", keeps: true, verifier: "refused", offline: { parameter: ["access_type", "offline"] }, wants: { prompt: "consent" },
    back: { location: "eu", "accounts-server": "https://accounts.zoho.eu" },
    shape: (a, grant) => ({
      ...pick(a, "access_token", "refresh_token"),
      ...(grant === "refresh_token" ? { expires_in: a.expires_in } : { expires_in: a.expires_in * 1000, expires_in_sec: a.expires_in }),
      api_domain: "https://www.zohoapis.eu", token_type: "Bearer",
    }),
    error: (a, status) => (ended(a) ? { status: 200, answer: { error: "invalid_code" } } : plainError(a, status)),
  },
  zoom: {
    auth: "basic", once: true, me: () => ({ id: "KDcuGIm1QgePTO8WbOqwIQ", email: "jchill@example.com", display_name: "Jill Chill" }),
    error: (a, status) => ({ status, answer: ended(a) ? { reason: "Invalid Token!", error: "invalid_grant" } : a }),
  },
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
  if (lacks(rules, headers)) return { refused: "invalid_request" };
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

const lacks = (rules, headers) => (rules.headers ?? []).some((one) => !headers[one]);

// What the identity endpoint says, or null where it says it as the standard does.
export function identified(name, headers) {
  const rules = table[name];
  return rules.me && !lacks(rules, headers) ? JSON.stringify(rules.me()) : null;
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
    if (rules.norefresh || (grant === "authorization_code" && !offline) || (rules.keeps === true && grant === "refresh_token")) plain = without(plain, "refresh_token");
    told = rules.shape ? rules.shape(plain, grant) : plain;
  }
  if (rules.asForm && !(headers.accept ?? "").includes("json")) return [code, "application/x-www-form-urlencoded", new URLSearchParams(told).toString()];
  return [code, "application/json", JSON.stringify(told)];
}

export const rotates = (name) => !name || Boolean(table[name].once);
export const known = (name) => name === "" || name in table;
