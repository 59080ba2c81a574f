// A certified OpenID Connect library as a confidential client: discovery, code flow with PKCE, refresh, and what happens
// once the account is disabled.
//
// usage: node openid_client.mjs DEMO.JSON

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import * as openid from "openid-client";
import { Browser, Unexpected, signIn } from "./browser.mjs";

const ACCOUNT = "noor@woodgrove.example";
const APPLICATION = "Sample Web Client";
const SCOPE = "openid profile email offline_access User.Read AuditLog.Read.All";
const MILLISECONDS = 30_000;

async function main(path) {
  const demo = JSON.parse(readFileSync(path, "utf8"));
  const account = find(demo.accounts, "userPrincipalName", ACCOUNT);
  const application = find(demo.applications, "name", APPLICATION);
  const redirect = application.redirectUris[0];

  const configuration = await openid.discovery(new URL(demo.issuer), application.clientId, application.clientSecret);
  const metadata = configuration.serverMetadata();
  step("discovery", `${metadata.issuer}, PKCE S256 ${metadata.supportsPKCE()}`);

  const verifier = openid.randomPKCECodeVerifier();
  const [state, nonce] = [openid.randomState(), openid.randomNonce()];
  const url = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: redirect,
    scope: SCOPE,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    nonce,
  });
  const { callback, pages } = await signIn(new Browser(redirect), url.href, account, () => totp(account.totpSecret));
  step("code flow with PKCE", `pages ${pages.join(", ")}, answer ${[...callback.searchParams.keys()].sort().join(", ")}`);

  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await openid.authorizationCodeGrant(configuration, callback, checks);
  const claims = tokens.claims();
  const user = expect("oid", claims.oid, account.id);
  expect("preferred_username", claims.preferred_username, ACCOUNT);
  step("code redeemed", `oid ${user}, scope \`${tokens.scope}\`, expires in ${tokens.expires_in} s`);

  const me = await graph(demo, "GET", "/me", tokens.access_token);
  expect("status of /me", me.status, 200, me.body);
  step("Graph /me", expect("userPrincipalName", me.body.userPrincipalName, ACCOUNT));

  const fresh = await openid.refreshTokenGrant(configuration, tokens.refresh_token);
  expect("a rotated refresh token", fresh.refresh_token !== tokens.refresh_token, true);
  expect("a new access token", fresh.access_token !== tokens.access_token, true);
  step("refreshed", `new access token, expires in ${fresh.expires_in} s, refresh token rotated`);

  const query = new URLSearchParams({ $filter: `userId eq '${user}' and appId eq '${application.clientId}'`, $top: "50" });
  const log = await graph(demo, "GET", `/auditLogs/signIns?${query}`, fresh.access_token);
  expect("status of the sign-in log", log.status, 200, log.body);
  const record = log.body.value.find((signIn) => signIn.status.errorCode === 0 && signIn.isInteractive);
  if (!record) throw new Unexpected(`the sign-in log has no sign-in of ${ACCOUNT}: ${JSON.stringify(log.body)}`);
  const policies = record.appliedConditionalAccessPolicies;
  expect("CA001 in the log", policies.find((policy) => policy.displayName.startsWith("CA001"))?.result, "success", record);
  const told = policies.map((policy) => `${policy.displayName.split(":")[0]} ${policy.result}`).join(", ");
  step("own sign-in in the log", `${record.id}: ${told}`);

  await setEnabled(demo, user, false);
  try {
    step("account disabled", "204");
    const refused = await refusal(() => openid.refreshTokenGrant(configuration, fresh.refresh_token), "the refresh token");
    expect("error", refused.error, "invalid_grant", refused.error_description);
    expect("error code", refused.cause.error_codes?.[0], 50057, refused.error_description);
    step("refresh refused", refused.error_description.split(" Trace ID")[0]);
    const replayed = await graph(demo, "GET", "/me", fresh.access_token);
    expect("status of /me with the replayed access token", replayed.status, 401, replayed.body);
    step("replayed access token refused", `401 ${replayed.body.error.code}`);
  } finally {
    await setEnabled(demo, user, true);
  }
  step("account enabled", "204");

  // Enabled again is not signed in again: what was revoked stays revoked.
  const still = await refusal(() => openid.refreshTokenGrant(configuration, fresh.refresh_token), "the refresh token");
  expect("error", still.error, "invalid_grant", still.error_description);
  step("revoked for good", still.error_description.split(" Trace ID")[0]);
}

/** One-time code (RFC 6238: SHA-1, 30 seconds, 6 digits), from the shared secret in base32. */
function totp(secret) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.toUpperCase().replaceAll("=", "")].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"));
  const key = Buffer.from(bits.join("").match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

async function graph(demo, method, path, token, body) {
  const headers = { authorization: `Bearer ${token}` };
  if (body) headers["content-type"] = "application/json";
  const signal = AbortSignal.timeout(MILLISECONDS);
  const response = await fetch(demo.graph + path, { method, headers, body: body && JSON.stringify(body), signal });
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : undefined };
}

async function setEnabled(demo, user, accountEnabled) {
  const answer = await graph(demo, "PATCH", `/users/${user}`, demo.administratorToken, { accountEnabled });
  expect("status of the PATCH of the user", answer.status, 204, answer.body);
}

/** The error that the authorisation server answers with; anything else, success above all, is unexpected. */
async function refusal(ask, what) {
  try {
    await ask();
  } catch (error) {
    if (error instanceof openid.ResponseBodyError) return error;
    throw error;
  }
  throw new Unexpected(`${what} was accepted`);
}

function find(values, member, wanted) {
  const found = values.find((value) => value[member] === wanted);
  if (!found) throw new Unexpected(`demo.json names no \`${wanted}\` among ${values.map((value) => value[member]).join(", ")}`);
  return found;
}

function expect(what, observed, wanted, more) {
  if (observed === wanted) return observed;
  throw new Unexpected(`${what}: expected ${wanted}, got ${observed}${more === undefined ? "" : `: ${JSON.stringify(more)}`}`);
}

let since = performance.now();

function step(what, observed) {
  const now = performance.now();
  console.log(`openid-client: ${what}: ${observed} (${Math.round(now - since)} ms)`);
  since = now;
}

try {
  await main(process.argv[2]);
} catch (error) {
  console.error("openid-client: FAILED:", error instanceof Unexpected ? error.message : error);
  process.exitCode = 1;
}
