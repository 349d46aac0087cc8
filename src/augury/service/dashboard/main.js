// The page: signs in, asks for snapshots, and lets the panels draw them.

import { h, tell } from "./dom.js";
import { clock, duration } from "./format.js";
import { mount } from "./panel.js";
import { OF_CACHE, OF_SERVICE } from "./panels.js";
import { place } from "./place.js";
import { Polling } from "./polling.js";
import { Refusal, ask, token } from "./service.js";

const EVERY = 1000; // milliseconds
const part = (id) => document.getElementById(id);
const STATES = { waiting: "Connecting", live: "Live", paused: "Paused", gone: "No answer" };

const tools = { ask, place };
const ofCache = OF_CACHE.map((panel) => mount(panel, part("cache-panels"), tools));
const ofService = OF_SERVICE.map((panel) => mount(panel, part("service-panels"), tools));
const unobserved = h("div", { class: "card full missing", hidden: true },
  h("p", {}, "No cache is observed yet. Name one in the configuration and start the service again:"),
  h("pre", {}, h("code", {}, "[caches.users]\ncapacity = 100_000")));
part("cache-panels").before(unobserved);
let snapshot = null;
let shown; // the cache that is

function state(name) {
  part("status").dataset.state = name;
  tell(part("status"), STATES[name]);
  part("figures").classList.toggle("stale", name === "gone");
}

function banner(text) {
  tell(part("banner"), text);
  part("banner").hidden = !text;
}

/** Return the name of the cache to show; undefined while none is known. */
function chosen() {
  const wanted = place.get("cache");
  const names = snapshot ? snapshot.caches.map(({ name }) => name) : [];
  return names.includes(wanted) ? wanted : names[0];
}

function offer(names) {
  const select = part("cache");
  if ([...select.options].map((option) => option.value).join("\n") !== names.join("\n"))
    select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
  if (select.value !== shown) select.value = shown;
}

function draw() {
  const { caches } = snapshot;
  const cache = caches.find(({ name }) => name === chosen());
  shown = cache?.name;
  offer(caches.map(({ name }) => name));
  unobserved.hidden = caches.length + snapshot.tiers.length > 0;
  part("caches").hidden = !cache && unobserved.hidden;
  part("choice").hidden = part("cache-panels").hidden = !cache;
  tell(part("process"), `${snapshot.process} · up ${duration(snapshot.uptime)}`);
  if (cache) ofCache.forEach((show) => show({ snapshot, cache }));
  ofService.forEach((show) => show({ snapshot }));
}

function askForToken(message) {
  polling.stop();
  token.drop();
  state("waiting");
  banner("");
  tell(part("refusal"), message);
  part("figures").hidden = part("pause").hidden = part("sign-out").hidden = true;
  part("sign-in").hidden = false;
  part("token").focus();
}

async function question() {
  try {
    let asked;
    do { // of the history of the cache that is shown, and of no other
      asked = chosen();
      snapshot = await ask(asked ? `v1/snapshot?cache=${encodeURIComponent(asked)}` : "v1/snapshot");
    } while (asked && asked !== chosen());
  } catch (error) {
    if (error instanceof Refusal && error.status === 401)
      return askForToken(token.held() ? "The service does not know this token." : "");
    if (error instanceof Refusal && error.status === 403)
      return askForToken(`This token may not read: ${error.message}`);
    if (error instanceof Refusal && error.status === 404) snapshot = null; // the cache is gone
    state("gone");
    const since = snapshot ? ` What is shown is of ${clock(snapshot.at)}.` : "";
    banner(error instanceof Refusal
      ? `The service refused: ${error.message}.${since} Trying again.`
      : `The service does not answer.${since} Trying again.`);
    throw error;
  }
  if (polling.stopped) return; // it was asked before somebody pressed "Pause" or "Sign out"
  banner("");
  state("live");
  part("sign-in").hidden = true;
  part("figures").hidden = part("pause").hidden = false;
  part("sign-out").hidden = !token.held();
  draw();
}

const polling = new Polling(question, EVERY);

part("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token.hold(part("token").value.trim());
  part("token").value = "";
  polling.start();
});
part("sign-out").addEventListener("click", () => askForToken(""));
function pause(pausing) {
  part("pause").setAttribute("aria-pressed", String(pausing));
  if (pausing) {
    polling.stop();
    state("paused");
  } else polling.start();
}

/** Show what the address says now, and ask for the history of another cache. */
function go() {
  if (!snapshot || part("figures").hidden) return;
  const before = shown;
  draw();
  if (shown !== before && part("status").dataset.state !== "gone") pause(false);
}

part("pause").addEventListener("click", () => pause(!polling.stopped));
part("cache").addEventListener("change", () => {
  place.set("cache", part("cache").value);
  go();
});
addEventListener("hashchange", go);
part("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address keeps what is looked at
  part("main").focus();
});

const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};
part("theme").setAttribute("aria-pressed", String(dark()));
part("theme").addEventListener("click", () => {
  const next = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("augury-theme", next);
  part("theme").setAttribute("aria-pressed", String(next === "dark"));
});

polling.start();
