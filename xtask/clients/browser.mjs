// A browser as small as a sign-in needs: cookies, redirects by hand, forms read from the page.
//
// It follows the pages by what crates/control-plane/templates/README.md says is stable, and runs no script.

const MOST_STEPS = 12;
const MILLISECONDS = 30_000;

/** Something was not as it should be: what was expected, what was there. */
export class Unexpected extends Error {}

export class Browser {
  #cookies = new Map();

  /** Where to stop following: the client's redirect address, which nothing serves. */
  constructor(stopAt) {
    this.stopAt = stopAt;
  }

  get(url) {
    return this.#follow("GET", url);
  }

  submit(page, form, values = {}) {
    return this.#follow("POST", new URL(form.action, page.url).href, new URLSearchParams({ ...form.fields, ...values }));
  }

  async #follow(method, url, body) {
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const response = await this.#exchange(method, url, body);
      if (![301, 302, 303, 307, 308].includes(response.status)) {
        return readPage(url, response.status, await response.text());
      }
      await response.body?.cancel();
      const location = new URL(response.headers.get("location"), url).href;
      if (location.startsWith(this.stopAt)) return new URL(location);
      if (response.status <= 303) [method, body] = ["GET", undefined];
      url = location;
    }
    throw new Unexpected(`more than ${MOST_STEPS} redirects, the last one to ${url}`);
  }

  async #exchange(method, url, body) {
    const { protocol, hostname, origin } = new URL(url);
    if (protocol !== "https:" || hostname !== "localhost") {
      throw new Unexpected(`sent to ${protocol}//${hostname}, which is not the control plane`);
    }
    const headers = { accept: "text/html" };
    if (body) headers.origin = origin;
    if (this.#cookies.size) headers.cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const signal = AbortSignal.timeout(MILLISECONDS);
    const response = await fetch(url, { method, headers, body, redirect: "manual", signal });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair, ...attributes] = cookie.split(";").map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      if (attributes.some((attribute) => /^max-age=(0|-\d+)$/i.test(attribute))) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }
}

/** Which page it is, its forms, the texts of its named elements, the policies it names. */
function readPage(url, status, text) {
  const page = { url, status, kind: undefined, forms: [], texts: {}, policies: [] };
  for (const [tag, name, rest] of text.matchAll(/<([a-z][a-z0-9]*)((?:\s+[\w-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+))?)*)\s*\/?>/gi)) {
    const attributes = readAttributes(rest);
    if (name === "body") page.kind = attributes["data-page"];
    if (name === "form") page.forms.push({ action: attributes.action ?? "", fields: {} });
    if (["input", "button"].includes(name) && attributes.name && page.forms.length) {
      page.forms.at(-1).fields[attributes.name] ??= attributes.value ?? "";
    }
    if ("data-policy" in attributes) page.policies.push(attributes["data-policy"]);
    if (attributes.id) {
      const from = text.indexOf(tag) + tag.length;
      page.texts[attributes.id] = decode(text.slice(from, text.indexOf("</", from))).trim();
    }
  }
  return page;
}

function readAttributes(text) {
  const attributes = {};
  for (const [, name, double, single, bare] of text.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?/g)) {
    attributes[name.toLowerCase()] = decode(double ?? single ?? bare ?? "");
  }
  return attributes;
}

function decode(text) {
  const named = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16));
    return decimal ? String.fromCodePoint(Number(decimal)) : (named[name] ?? all);
  });
}

export function shown(page) {
  const told = ["error-code", "message"].map((id) => page.texts[id]).filter(Boolean);
  return [`\`${page.kind}\` (${page.status})`, ...told].join(" ");
}

function form(page, action, fields = {}) {
  const fits = (form) =>
    form.action.split("?")[0].endsWith(action) && Object.entries(fields).every(([name, value]) => form.fields[name] === value);
  const found = page.forms.find(fits);
  if (!found) throw new Unexpected(`page ${shown(page)} has no form ${action} ${JSON.stringify(fields)}`);
  return found;
}

/** From the authorisation request to the answer at the client's redirect address, with password and TOTP. */
export async function signIn(browser, url, account, code) {
  let place = await browser.get(url);
  const pages = [];
  while (!(place instanceof URL)) {
    if (pages.includes(place.kind)) throw new Unexpected(`sign-in goes round: ${pages.join(", ")}, now ${shown(place)}`);
    pages.push(place.kind);
    if (place.kind === "account") {
      place = await browser.submit(place, form(place, "/signin/account"), { username: account.userPrincipalName });
    } else if (place.kind === "password") {
      place = await browser.submit(place, form(place, "/signin/password"), { password: account.password });
    } else if (place.kind === "method") {
      place = await browser.submit(place, form(place, "/signin/method", { method: "totp" }));
    } else if (place.kind === "totp") {
      place = await browser.submit(place, form(place, "/signin/totp"), { otp: code() });
    } else {
      throw new Unexpected(`no way on from page ${shown(place)}, policies ${place.policies.join(", ")}`);
    }
  }
  return { callback: place, pages };
}
