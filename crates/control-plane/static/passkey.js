// Asks the browser for a passkey and puts its answer into the form. Everything that matters is checked by the server.
"use strict";

(() => {
  const source = document.getElementById("passkey-options");
  const form = document.querySelector("form[data-passkey]");
  if (!source || !form || !window.PublicKeyCredential) return;

  const field = form.elements.namedItem("credential");
  const message = form.querySelector("[data-passkey-error]");
  const wants = form.dataset.passkey;
  let waiting = null;

  const toBytes = (text) => {
    const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  };
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");

  const options = () => {
    const publicKey = JSON.parse(source.textContent).publicKey;
    publicKey.challenge = toBytes(publicKey.challenge);
    if (publicKey.user) publicKey.user.id = toBytes(publicKey.user.id);
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      for (const known of publicKey[list] ?? []) known.id = toBytes(known.id);
    }
    return publicKey;
  };

  const toJson = (credential) => {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = toText(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      response,
      extensions: credential.getClientExtensionResults(),
    });
  };

  const send = (credential) => {
    field.value = toJson(credential);
    form.submit();
  };

  const ask = async (mediation) => {
    if (waiting) waiting.abort();
    waiting = new AbortController();
    const request = { publicKey: options(), signal: waiting.signal };
    if (mediation) request.mediation = mediation;
    const credential =
      wants === "create" ? await navigator.credentials.create(request) : await navigator.credentials.get(request);
    if (credential) send(credential);
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (message) message.hidden = true;
    ask().catch((error) => {
      if (!message || error.name === "AbortError") return;
      message.textContent =
        error.name === "InvalidStateError"
          ? "This device already has a passkey for the account."
          : "The passkey was not used. Try again, or use another way to sign in.";
      message.hidden = false;
    });
  });

  // Passkeys offered where the account's name is typed.
  const canSuggest = PublicKeyCredential.isConditionalMediationAvailable;
  if ("conditional" in form.dataset && canSuggest) {
    canSuggest.call(PublicKeyCredential).then((can) => can && ask("conditional").catch(() => {}));
  }
})();
