"""A browser as small as a sign-in needs: cookies, redirects by hand, forms read from the page.

It follows the pages by what crates/control-plane/templates/README.md says is stable, runs no script, and goes nowhere
but to addresses on this machine.
"""

import html.parser
import http.client
import ssl
import urllib.parse

MOST_STEPS = 12
SECONDS = 30


class Unexpected(Exception):
    """Something was not as it should be: what was expected, what was there."""


class Browser:
    def __init__(self, authority):
        self.context = ssl.create_default_context(cafile=authority)
        self.cookies = {}
        self.connections = {}
        # Where to stop following: the client's redirect address, which nothing serves.
        self.stop_at = None

    def get(self, url):
        return self.follow("GET", url)

    def submit(self, page, form, **values):
        fields = {**form.fields, **values}
        return self.follow("POST", urllib.parse.urljoin(page.url, form.action), urllib.parse.urlencode(fields))

    def follow(self, method, url, body=None):
        """The page at the end of the redirects, or an address that is no longer one of this machine's servers."""
        for _ in range(MOST_STEPS):
            status, headers, text = self.exchange(method, url, body)
            if status not in (301, 302, 303, 307, 308):
                return Page(url, status, text)
            location = urllib.parse.urljoin(url, headers["location"])
            if self.stop_at and location.startswith(self.stop_at):
                return location
            if status in (301, 302, 303):
                method, body = "GET", None
            url = location
        raise Unexpected(f"more than {MOST_STEPS} redirects, the last one to {url}")

    def exchange(self, method, url, body=None):
        address = urllib.parse.urlsplit(url)
        if address.scheme != "https" or not (address.hostname == "localhost" or address.hostname.endswith(".localhost")):
            raise Unexpected(f"sent to {address.scheme}://{address.hostname}, which is not on this machine")
        jar = self.cookies.setdefault(address.hostname, {})
        headers = {"Accept": "text/html"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Origin"] = f"https://{address.netloc}"
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        path = urllib.parse.urlunsplit(("", "", address.path or "/", address.query, ""))
        response, text = self.send(address, method, path, body, headers)
        for cookie in response.headers.get_all("set-cookie") or []:
            self.keep(jar, cookie)
        return response.status, response.headers, text

    def send(self, address, method, path, body, headers):
        """One exchange on the kept connection, or on a new one where the server has closed the kept one."""
        place = (address.hostname, address.port or 443)
        kept = self.connections.pop(place, None)
        fresh = http.client.HTTPSConnection(*place, timeout=SECONDS, context=self.context)
        for connection in [kept, fresh] if kept else [fresh]:
            try:
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                text = response.read().decode("utf-8", "replace")
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                connection.close()
                if connection is fresh:
                    raise
            else:
                self.connections[place] = connection
                return response, text
        raise Unexpected(f"no answer from {place}")

    @staticmethod
    def keep(jar, cookie):
        pair, *attributes = [part.strip() for part in cookie.split(";")]
        name, _, value = pair.partition("=")
        if any(attribute.lower() in ("max-age=0", "max-age=-1") for attribute in attributes):
            jar.pop(name, None)
        else:
            jar[name] = value

    def close(self):
        for connection in self.connections.values():
            connection.close()


class Form:
    def __init__(self, action):
        self.action = action
        self.fields = {}


class Page(html.parser.HTMLParser):
    """One page: which one it is, its forms, the texts of its named elements, the policies it names."""

    def __init__(self, url, status, text):
        super().__init__()
        self.url, self.status, self.kind = url, status, None
        self.forms, self.texts, self.policies = [], {}, []
        self._named = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "body":
            self.kind = attributes.get("data-page")
        if tag == "form":
            self.forms.append(Form(attributes.get("action", "")))
        if tag in ("input", "button") and self.forms and attributes.get("name"):
            self.forms[-1].fields.setdefault(attributes["name"], attributes.get("value") or "")
        if "data-policy" in attributes:
            self.policies.append(attributes["data-policy"])
        if "id" in attributes:
            self._named = (tag, attributes["id"])
            self.texts[attributes["id"]] = ""

    def handle_data(self, data):
        if self._named:
            self.texts[self._named[1]] += data

    def handle_endtag(self, tag):
        if self._named and self._named[0] == tag:
            self._named = None

    def form(self, action, **fields):
        for form in self.forms:
            if form.action.split("?")[0].endswith(action) and all(form.fields.get(k) == v for k, v in fields.items()):
                return form
        raise Unexpected(f"page {self} has no form {action} {fields or ''}")

    def __str__(self):
        told = [self.texts.get(name, "").strip() for name in ("error-code", "message")]
        return f"`{self.kind}` ({self.status}) {' '.join(part for part in told if part)}".strip()


def sign_in(browser, url, redirect, account, code):
    """From the authorisation request to the parameters of the answer at the client's redirect address, with password and TOTP."""
    browser.stop_at = redirect
    place = browser.get(url)
    seen = []
    while isinstance(place, Page):
        seen.append(place.kind)
        if len(seen) > MOST_STEPS or seen.count(place.kind) > 1:
            raise Unexpected(f"sign-in goes round: {', '.join(map(str, seen))}, now {place}")
        if place.kind == "account":
            place = browser.submit(place, place.form("/signin/account"), username=account["userPrincipalName"])
        elif place.kind == "password":
            place = browser.submit(place, place.form("/signin/password"), password=account["password"])
        elif place.kind == "method":
            place = browser.submit(place, place.form("/signin/method", method="totp"))
        elif place.kind == "totp":
            place = browser.submit(place, place.form("/signin/totp"), otp=code())
        elif place.kind == "form-post":
            # A browser would post this form to the client by itself (OAuth 2.0 Form Post Response Mode).
            return place.form(urllib.parse.urlsplit(redirect).path).fields, seen
        else:
            raise Unexpected(f"no way on from page {place}, policies {place.policies}")
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(place).query)), seen
