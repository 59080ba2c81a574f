"""A thousand password sign-ins, eight at a time, and a spray of wrong passwords among them.

Each comes with a browser of its own, from the account page to the answer to its password. The policies of the demo's
tenant ask for a second factor then, so a right password leads to the next page and a wrong one back to the same.

usage: many_sign_ins.py DEMO.JSON
"""

import base64
import collections
import hashlib
import secrets
import sys
import threading
import time
import urllib.parse

from browser import Browser, Unexpected
from tenant import Tenant

SIGN_INS = 1000
AT_ONCE = 8
# One account that does not exist for each of them: a spray hashes as much as a sign-in, and locks nobody out.
WRONG = 100
ACCOUNTS = ["mia@woodgrove.example", "noor@woodgrove.example"]
APPLICATION = "Sample Web Client"


def main(path):
    tenant = Tenant(path)
    right = [tenant.account(ACCOUNTS[number % len(ACCOUNTS)]) for number in range(SIGN_INS)]
    wrong = [{"userPrincipalName": f"nobody{number}@woodgrove.example", "password": "wrong"} for number in range(WRONG)]
    waiting = collections.deque(right)
    for number, account in enumerate(wrong):
        waiting.insert(number * (SIGN_INS // WRONG + 1), account)
    outcomes, problems = collections.Counter(), []
    started = time.monotonic()
    workers = [threading.Thread(target=work, args=(tenant, waiting, outcomes, problems)) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - started
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(f"{told}; {outcomes['right password'] / seconds:.0f} sign-ins a second")
    if problems:
        raise Unexpected(f"{len(problems)} failed, the first with: {problems[0]}")
    if outcomes["right password"] != SIGN_INS or outcomes["wrong password"] != WRONG:
        raise Unexpected(f"expected {SIGN_INS} right and {WRONG} wrong passwords, got {dict(outcomes)}")


def work(tenant, waiting, outcomes, problems):
    while not problems:
        try:
            account = waiting.popleft()
        except IndexError:
            return
        try:
            outcomes[attempt(tenant, account)] += 1
        except (Unexpected, OSError) as problem:
            problems.append(problem)


def attempt(tenant, account):
    """Whether the password was taken for right: the page that came next tells."""
    application = tenant.application(APPLICATION)
    redirect = application["redirectUris"][0]
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "client_id": application["clientId"],
        "response_type": "code",
        "redirect_uri": redirect,
        "scope": "openid",
        "state": secrets.token_urlsafe(16),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    browser = Browser(tenant.authority_file)
    browser.stop_at = redirect
    try:
        page = browser.get(f"{tenant.issuer.removesuffix('/v2.0')}/oauth2/v2.0/authorize?{urllib.parse.urlencode(query)}")
        page = browser.submit(page, page.form("/signin/account"), username=account["userPrincipalName"])
        page = browser.submit(page, page.form("/signin/password"), password=account["password"])
    finally:
        browser.close()
    if page.kind in ("totp", "method"):
        return "right password"
    if page.kind == "password" and page.status == 401:
        return "wrong password"
    raise Unexpected(f"after the password of {account['userPrincipalName']}: page {page}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Unexpected as unexpected:
        sys.exit(f"many sign-ins: FAILED: {unexpected}")
