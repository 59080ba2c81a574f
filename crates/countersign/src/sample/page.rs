//! The sample applications' page, style and script. Text from outside is escaped here and nowhere else.

use super::assertion::Identity;
use super::{Kind, SampleConfig};

/// The one page of each application: who is there, something of its trade, and three streams to watch.
pub(super) fn home(config: &SampleConfig, identity: &Identity) -> String {
    let name = escape(&config.display_name);
    let (lead, rows) = content(config.kind);
    let rows: String = rows
        .iter()
        .map(|row| format!("<tr>{}</tr>", row.iter().map(|cell| format!("<td>{cell}</td>")).collect::<String>()))
        .collect();
    let person = if identity.display_name.is_empty() { &identity.user_principal_name } else { &identity.display_name };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name} · Woodgrove</title>
<link rel="stylesheet" href="/app.css">
<script src="/app.js" defer></script>
</head>
<body data-page="application">
<header>
<div><span class="mark" aria-hidden="true">W</span><strong>Woodgrove</strong> <span class="quiet">{name}</span></div>
<form method="get" action="/.auth/logout"><span id="user">{person}</span> <button>Sign out</button></form>
</header>
<main>
<h1>{name}</h1>
<p class="quiet">{lead}</p>
<table><tbody>{rows}</tbody></table>
<section aria-labelledby="who"><h2 id="who">Who the gateway says you are</h2>
<dl>
<dt>User</dt><dd id="user-principal-name">{upn}</dd>
<dt>Object id</dt><dd><code id="user-id">{id}</code></dd>
<dt>Session</dt><dd><code id="session-id">{session}</code></dd>
</dl>
<p class="quiet">From a signed assertion. This application fetched the gateway’s keys and checked it.</p></section>
<section aria-labelledby="open"><h2 id="open">Held open</h2>
<ul class="streams">
<li><span>WebSocket</span><output id="web-socket">…</output></li>
<li><span>Event stream</span><output id="event-stream">…</output></li>
<li><span>Download</span><output id="download">…</output></li>
</ul>
<p class="quiet">Disable the account and watch all three end.</p></section>
</main>
</body>
</html>
"#,
        person = escape(person),
        upn = escape(&identity.user_principal_name),
        id = escape(&identity.user_id),
        session = escape(&identity.session_id),
    )
}

fn content(kind: Kind) -> (&'static str, &'static [&'static [&'static str]]) {
    match kind {
        Kind::Payroll => (
            "A sample application, with made-up payslips of the last three months.",
            &[
                &["November 2026", "€ 3,412.80", "Paid 25 November"],
                &["October 2026", "€ 3,412.80", "Paid 26 October"],
                &["September 2026", "€ 3,389.15", "Paid 25 September"],
            ],
        ),
        Kind::AdminPortal => (
            "A sample application, in the place of a console that only administrators reach.",
            &[
                &["Switches", "none here"],
                &["The tenant itself", "administered through Graph and <code>countersign apply</code>"],
                &["Who comes this far", "decided by policy, before this page is asked for"],
            ],
        ),
        Kind::Mail => (
            "A sample application, with two made-up messages.",
            &[&["Facilities", "Loading bay closed on Friday", "08:12"], &["Payroll", "Your payslip is ready", "07:55"]],
        ),
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

pub(super) const STYLE: &str = r#":root {
  color-scheme: light dark;
  --ground: light-dark(#f6f5f2, #16181b); --sheet: light-dark(#ffffff, #1f2226); --ink: light-dark(#1d2126, #e8e8e4);
  --quiet: light-dark(#5b636d, #9aa3ad); --line: light-dark(#e2e0da, #32373d); --accent: light-dark(#1f5c4d, #6fc3ab);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; padding: .75rem 1.25rem;
  background: var(--sheet); border-bottom: 1px solid var(--line); }
.mark { display: inline-block; width: 1.75rem; margin-right: .5rem; border-radius: .4rem; background: var(--accent);
  color: var(--ground); text-align: center; font-weight: 700; line-height: 1.75rem; }
main { max-width: 46rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.75rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
.quiet { color: var(--quiet); }
table { width: 100%; border-collapse: collapse; background: var(--sheet); border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
td { padding: .65rem .9rem; border-top: 1px solid var(--line); } tr:first-child td { border-top: 0; } td:last-child { text-align: right; color: var(--quiet); }
section { margin-top: 1.5rem; padding: 1rem 1.1rem; background: var(--sheet); border: 1px solid var(--line); border-radius: .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; } dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.streams { list-style: none; margin: 0; padding: 0; } .streams li { display: flex; justify-content: space-between; padding: .25rem 0; }
output[data-state="open"] { color: var(--accent); } output[data-state="cut"] { color: light-dark(#a3261c, #ff8a7d); font-weight: 600; }
button { font: inherit; padding: .3rem .8rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--ground); color: inherit; cursor: pointer; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
form { margin: 0; }
"#;

pub(super) const SCRIPT: &str = r#""use strict";
const show = (id, state, text) => { const out = document.getElementById(id); out.dataset.state = state; out.textContent = text; };
const socket = new WebSocket(`wss://${location.host}/ws`);
socket.onmessage = event => show("web-socket", "open", event.data);
socket.onclose = () => show("web-socket", "cut", "cut");
const events = new EventSource("/events");
events.onmessage = event => show("event-stream", "open", event.data);
events.onerror = () => { events.close(); show("event-stream", "cut", "cut"); };
(async () => {
  let bytes = 0;
  try {
    const reader = (await fetch("/download")).body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      show("download", "open", `${(bytes / 1048576).toFixed(1)} MiB`);
    }
    show("download", "open", "complete");
  } catch { show("download", "cut", `cut after ${(bytes / 1048576).toFixed(1)} MiB`); }
})();
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_never_markup() {
        assert_eq!(escape("<script>alert('&\"')"), "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)");
    }
}
