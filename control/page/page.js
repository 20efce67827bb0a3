// The page is whole without this: here it is kept up to date, and buttons answer
// without a new page. Everything is drawn by powermgr; this only puts it in place.
"use strict";

const build = document.body.dataset.build;
const lost = document.getElementById("lost");
const said = document.getElementById("said");
const fresh = document.getElementById("fresh");
let stream = null;
let heard = Date.now(); // when powermgr was last heard
let wait = 1000; // until the next attempt
const longestWait = 8000;

const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

const waiting = new Map(); // what has changed where somebody is, by id

// put replaces what has changed, and nothing that somebody is in.
function put(news) {
  for (const [id, html] of Object.entries(news)) {
    const place = document.getElementById(id);
    waiting.delete(id);
    if (place && !place.contains(document.activeElement)) {
      place.innerHTML = html;
    } else if (place) {
      waiting.set(id, html);
    }
  }
}

// Who goes from one button to the next must not find it gone: where the focus is can
// be told once it has moved.
document.addEventListener("focusout", () => setTimeout(() => put(Object.fromEntries(waiting))));

function alive() {
  heard = Date.now();
  wait = 1000;
  lost.hidden = true;
  document.body.classList.remove("stale");
  if (fresh) fresh.textContent = "as of " + clock();
}

function gone() {
  if (lost.hidden) {
    lost.textContent = "The connection is lost. This is what was known at " +
      new Date(heard).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false }) + "; trying again.";
    lost.hidden = false;
    document.body.classList.add("stale");
  }
}

function listen() {
  if (stream) stream.close();
  stream = new EventSource("live");
  stream.addEventListener("build", (e) => {
    if (JSON.parse(e.data) !== build) location.reload();
  });
  stream.addEventListener("news", (e) => {
    alive();
    put(JSON.parse(e.data));
  });
  stream.onerror = () => {
    gone();
    stream.close();
    stream = null;
    setTimeout(again, wait);
    wait = Math.min(2 * wait, longestWait);
  };
}

// again sees whether powermgr is back, and whether it wants a password.
async function again() {
  if (stream) return;
  try {
    const res = await fetch("page.js", { method: "HEAD", cache: "no-store" });
    if (res.status === 401 || res.status === 403) return location.reload();
    listen();
  } catch {
    setTimeout(again, wait);
    wait = Math.min(2 * wait, longestWait);
  }
}

// A phone that was asleep does not notice that nobody speaks any more.
setInterval(() => {
  if (stream && Date.now() - heard > 40000) {
    heard += 40000;
    gone();
    listen();
  }
}, 5000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !stream) again();
});

// press sends a form and says what came of it.
document.addEventListener("submit", async (e) => {
  const form = e.target;
  if (form.getAttribute("action") !== "do") return;
  e.preventDefault();
  const body = new URLSearchParams(new FormData(form, e.submitter));
  e.submitter.setAttribute("aria-busy", "true");
  said.className = "";
  said.textContent = "On its way…";
  try {
    const res = await fetch("do", { method: "POST", body, headers: { Accept: "application/json" } });
    if (res.status === 401) return location.reload();
    const outcome = res.ok ? await res.json() : { ok: false, said: await res.text() };
    said.textContent = outcome.said;
    said.className = outcome.ok ? "ok" : "bad";
    if (outcome.ok) form.reset();
    if (form.closest("#actions")) said.focus(); // this button may be gone
  } catch {
    said.textContent = "powermgr was not reached. Look at the last command before you press it again.";
    said.className = "bad";
  } finally {
    e.submitter.removeAttribute("aria-busy");
  }
});

addEventListener("pagehide", () => { if (stream) stream.close(); stream = null; });
addEventListener("pageshow", (e) => { if (e.persisted) again(); });
listen();
