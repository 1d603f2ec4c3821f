"use strict";
// Keeps the page as the server has it. The server sends a section's HTML when it has changed; here
// the elements that are there already are changed into it, so that focus, open details and loaded
// pictures stay. Without this script the page is whole, and is as old as it was loaded.
(() => {
  const RETRY_MS = 10_000;
  const SILENCE_MS = 5_000;
  const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined);
  const areAlike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName;

  function changeAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      const isTheirs = name === "open" && old.nodeName === "DETAILS"; // the reader's, not ours
      if (!isTheirs && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  // Children with a key are found again wherever they are; the others by their place.
  function changeChildren(old, fresh) {
    const known = new Map();
    const wanted = new Set([...fresh.childNodes].map(keyOf));
    for (const child of [...old.childNodes]) {
      const key = keyOf(child);
      if (key === undefined) continue;
      if (wanted.has(key)) known.set(key, child);
      else child.remove();
    }
    let place = old.firstChild;
    const skip = () => {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    };
    for (const next of [...fresh.childNodes]) {
      const key = keyOf(next);
      let match = key === undefined ? place : known.get(key);
      if (key !== undefined && match) {
        while (place && place !== match && keyOf(place) === undefined) skip();
      }
      if (!match || !areAlike(match, next) || (key === undefined && keyOf(match) !== undefined)) {
        old.insertBefore(next, place);
        continue;
      }
      if (match === place) place = place.nextSibling;
      else old.insertBefore(match, place);
      change(match, next);
    }
    while (place) skip();
  }

  function change(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    changeAttributes(old, fresh);
    changeChildren(old, fresh);
  }

  function tellTimes() {
    for (const time of document.querySelectorAll("time")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const [unit, size] = UNITS.find(([, least]) => Math.abs(seconds) >= least) ?? ["second", 1];
      const text = relative.format(Math.min(0, Math.round(seconds / size)), unit);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  function take({ title, sections }) {
    const focused = document.activeElement;
    document.title = title;
    for (const [name, html] of Object.entries(sections)) {
      const holder = document.getElementById(name);
      const parsed = document.createElement("template");
      parsed.innerHTML = html;
      if (holder) changeChildren(holder, parsed.content);
    }
    if (focused?.isConnected && document.activeElement !== focused) {
      focused.focus({ preventScroll: true }); // it was moved
    }
    tellTimes();
  }

  const silence = document.getElementById("silence");
  let source = null;
  let timer = 0;

  function sayConnected() {
    clearTimeout(timer);
    timer = 0;
    silence.hidden = true;
    silence.textContent = "";
  }

  function sayLost() {
    silence.textContent = "The server doesn't answer. What you see may be old.";
    silence.hidden = false;
  }

  function listen() {
    source?.close();
    source = null;
    if (document.hidden) return; // nobody looks; the server has other visitors
    const opened = new EventSource("events");
    source = opened;
    opened.onopen = sayConnected;
    opened.onmessage = (event) => take(JSON.parse(event.data));
    opened.onerror = () => {
      timer ||= setTimeout(sayLost, SILENCE_MS);
      // A browser tries again by itself after a broken connection, but not after a refusal.
      if (opened.readyState === EventSource.CLOSED) {
        setTimeout(() => opened === source && listen(), RETRY_MS);
      }
    };
  }

  document.addEventListener("visibilitychange", listen);
  setInterval(tellTimes, 1_000);
  tellTimes();
  listen();
})();
