"""Microsoft's library for Python as a public client: code flow with PKCE, refresh, and what happens once it is over.

usage: msal_client.py DEMO.JSON
"""

import sys

import msal
import totp
from browser import Browser, Unexpected, sign_in
from tenant import Story, Tenant, expect, policy_result, results

ACCOUNT = "mia@woodgrove.example"
APPLICATION = "Countersign Command Line"
# RFC 8252 section 7.3: the port of a loopback redirect is the client's choice.
REDIRECT = "http://localhost:53199"
SCOPES = ["User.Read", "AuditLog.Read.All"]


def main(path):
    tenant, story = Tenant(path), Story("msal")
    account, application = tenant.account(ACCOUNT), tenant.application(APPLICATION)
    user = account["id"]
    authority = tenant.issuer.removesuffix("/v2.0")
    client = msal.PublicClientApplication(application["clientId"], authority=authority, instance_discovery=False)

    flow = client.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT, response_mode="form_post")
    browser = Browser(tenant.authority_file)
    answer, pages = sign_in(browser, flow["auth_uri"], REDIRECT, account, lambda: totp.code(account["totpSecret"]))
    story.step("code flow with PKCE", f"pages {', '.join(pages)}, answer {', '.join(sorted(answer))}")

    token = client.acquire_token_by_auth_code_flow(flow, answer)
    claims = token.get("id_token_claims")
    if not claims:
        raise Unexpected(f"no tokens for the code: {token}")
    expect("preferred_username", claims["preferred_username"], ACCOUNT)
    expect("iss", claims["iss"], tenant.issuer)
    expect("oid", claims["oid"], user)
    story.step("code redeemed", f"oid {user}, scope `{token['scope']}`, expires in {token['expires_in']} s")

    status, me = tenant.graph("GET", "/me", token["access_token"])
    expect("/me", status, 200, me)
    story.step("Graph /me", expect("userPrincipalName", me["userPrincipalName"], ACCOUNT))

    [known] = client.get_accounts()
    silent = client.acquire_token_silent(SCOPES, known)
    expect("a silent token", silent and silent["access_token"], token["access_token"])
    fresh = client.acquire_token_silent(SCOPES, known, force_refresh=True)
    if not fresh or "access_token" not in fresh or fresh["access_token"] == token["access_token"]:
        raise Unexpected(f"the refresh token gave no new access token: {fresh}")
    story.step("refreshed", f"new access token, expires in {fresh['expires_in']} s")

    records = tenant.sign_ins(fresh["access_token"], user, application["clientId"])
    done = [record for record in records if record["status"]["errorCode"] == 0 and record["isInteractive"]]
    if not done:
        raise Unexpected(f"the sign-in log has no sign-in of {ACCOUNT}: {records}")
    expect("CA001 in the log", policy_result(done[0], "CA001"), "success", done[0])
    story.step("own sign-in in the log", f"{done[0]['id']}: {results(done[0])}")

    [refresh_token] = [kept["secret"] for kept in client.token_cache.search(msal.TokenCache.CredentialType.REFRESH_TOKEN)]
    tenant.set_enabled(user, False)
    try:
        story.step("account disabled", "204")
        refused = client.acquire_token_silent_with_error(SCOPES, known, force_refresh=True)
        expect("error", refused and refused.get("error"), "invalid_grant", refused)
        expect("error code", refused["error_codes"], [50057], refused)
        story.step("refresh refused", sentence(refused))
        status, body = tenant.graph("GET", "/me", fresh["access_token"])
        expect("/me with the replayed access token", status, 401, body)
        story.step("replayed access token refused", f"401 {body['error']['code']}")
    finally:
        tenant.set_enabled(user, True)
    story.step("account enabled", "204")

    # Enabled again is not signed in again: what was revoked stays revoked. A new client, for this one remembers the answer.
    another = msal.PublicClientApplication(application["clientId"], authority=authority, instance_discovery=False)
    again = another.acquire_token_by_refresh_token(refresh_token, SCOPES)
    expect("error", again.get("error"), "invalid_grant", again)
    story.step("revoked for good", sentence(again))


def sentence(answer):
    """The error without what differs from one time to the next."""
    return answer["error_description"].split(" Trace ID")[0]


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Unexpected as unexpected:
        sys.exit(f"msal: FAILED: {unexpected}")
