"""The demo's tenant as an outside program sees it: `demo.json`, Graph over HTTPS, and one line a step."""

import http.client
import json
import ssl
import time
import urllib.parse

from browser import SECONDS, Unexpected


class Tenant:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.description = json.load(file)
        self.issuer = self.description["issuer"]
        self.authority_file = self.description["caFile"]
        self.administrator = self.description["administratorToken"]
        self.context = ssl.create_default_context(cafile=self.authority_file)

    def account(self, name):
        return find(self.description["accounts"], "userPrincipalName", name)

    def application(self, name):
        return find(self.description["applications"], "name", name)

    def graph(self, method, path, token, body=None, query=None):
        """Status and JSON of one Graph call."""
        address = urllib.parse.urlsplit(self.description["graph"])
        connection = http.client.HTTPSConnection(address.hostname, address.port, timeout=SECONDS, context=self.context)
        headers = {"Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = address.path.rstrip("/") + path + ("?" + urllib.parse.urlencode(query) if query else "")
        connection.request(method, target, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if text else None

    def set_enabled(self, user, enabled):
        status, answer = self.graph("PATCH", f"/users/{user}", self.administrator, {"accountEnabled": enabled})
        expect("PATCH of the user", status, 204, answer)

    def sign_ins(self, token, user, application):
        """What the sign-in log says of one person at one application, newest first."""
        query = {"$filter": f"userId eq '{user}' and appId eq '{application}'", "$top": "50"}
        status, answer = self.graph("GET", "/auditLogs/signIns", token, query=query)
        expect("the sign-in log", status, 200, answer)
        return answer["value"]


class Story:
    """Prints each step with what was observed and how long it took."""

    def __init__(self, name):
        self.name = name
        self.since = time.monotonic()

    def step(self, what, observed):
        now = time.monotonic()
        print(f"{self.name}: {what}: {observed} ({(now - self.since) * 1000:.0f} ms)")
        self.since = now


def find(values, member, wanted):
    for value in values:
        if value[member] == wanted:
            return value
    raise Unexpected(f"demo.json names no `{wanted}` among {[value.get(member) for value in values]}")


def expect(what, observed, wanted, more=None):
    if observed != wanted:
        raise Unexpected(f"{what}: expected {wanted!r}, got {observed!r}{f': {more}' if more is not None else ''}")
    return observed


def results(sign_in):
    """`policy: result` of every policy in one record of the log."""
    policies = sign_in["appliedConditionalAccessPolicies"]
    return ", ".join(f"{policy['displayName'].split(':')[0]} {policy['result']}" for policy in policies)


def policy_result(sign_in, name):
    for policy in sign_in["appliedConditionalAccessPolicies"]:
        if policy["displayName"].startswith(name):
            return policy["result"]
    raise Unexpected(f"the record of the sign-in says nothing of policy {name}: {results(sign_in)}")
