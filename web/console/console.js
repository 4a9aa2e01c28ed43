// Asks the server for its health, and with a server token for its usage, every two seconds. Shows what it said, nothing made up.
"use strict";

const base = new URL("..", location.href); // a path prefix in front of the server works too
const by = (id) => document.getElementById(id);
const words = (key) => key.replaceAll("_", " ");

function figures(list, values) {
  list.replaceChildren();
  for (const [key, value] of Object.entries(values)) {
    if (value === null || typeof value === "object" || key === "duration") continue;
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = words(key);
    dd.textContent = typeof value === "number" ? value.toLocaleString() : String(value);
    list.append(dt, dd);
  }
}

function state(up, text) {
  by("state").className = up ? "is-up" : "is-down";
  by("state-text").textContent = text;
}

async function ask(path, headers) {
  const answer = await fetch(new URL(path, base), { headers, cache: "no-store" });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message || `status ${answer.status}`);
  return body;
}

async function health() {
  try {
    const body = await ask("beck/health");
    state(body.status === "ok", body.status === "ok" ? "running" : String(body.status));
    figures(by("health"), body);
  } catch (e) {
    state(false, e instanceof TypeError ? "not reachable" : e.message);
  }
}

const kept = () => ({ key: sessionStorage.getItem("key"), token: sessionStorage.getItem("token") });

function signedIn(yes) {
  by("sign-in").hidden = yes;
  by("usage").hidden = !yes;
  by("forget").hidden = !yes;
}

async function usage() {
  const { key, token } = kept();
  if (!key || !token) return signedIn(false);
  try {
    const body = await ask(`beck/usage?api_key=${encodeURIComponent(key)}`, { Authorization: token, "Stream-Auth-Type": "jwt" });
    figures(by("usage"), body);
    by("refusal").textContent = "";
    signedIn(true);
  } catch (e) {
    if (e instanceof TypeError) return; // the health line already says that the server is away
    by("refusal").textContent = e.message;
    sessionStorage.removeItem("token");
    signedIn(false);
  }
}

by("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", by("key").value.trim());
  sessionStorage.setItem("token", by("token").value.trim());
  usage();
});
by("forget").addEventListener("click", () => {
  sessionStorage.clear();
  by("token").value = "";
  signedIn(false);
});

async function round() {
  if (!document.hidden) await Promise.all([health(), usage()]);
  setTimeout(round, 2000);
}
round();
