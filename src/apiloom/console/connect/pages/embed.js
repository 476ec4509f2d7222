"use strict";
// Asks this gateway alone what came of the session, and tells the page around it: by its exact origin, a one-time code.
(() => {
  const { session, channel, origins, connected, ended, waiting } = document.body.dataset;
  const told = document.getElementById("told");
  const open = document.getElementById("open");
  const status = location.pathname.replace(/\/embed$/, "/status");
  const around = location.ancestorOrigins ? [...location.ancestorOrigins].slice(0, 1) : null;
  const tell = (message) => {
    if (window.parent === window) return;
    for (const origin of origins.split(" ").filter(Boolean)) {
      if (!around || around.includes(origin)) window.parent.postMessage(message, origin);
    }
  };
  const ask = async () => {
    let answer = null;
    try {
      const response = await fetch(status, {
        method: "POST",
        body: new URLSearchParams({ channel }),
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
      answer = await response.json();
    } catch {
      answer = { state: "unknown" };
    }
    if (answer.state === "done") {
      told.textContent = connected;
      open.hidden = true;
      tell({ type: "apiloom.connect", session, code: answer.code || null });
    } else if (answer.state === "ended") {
      told.textContent = ended;
      open.hidden = true;
      tell({ type: "apiloom.connect.ended", session });
    } else {
      setTimeout(ask, 1000);
    }
  };
  open.addEventListener("click", () => {
    told.textContent = waiting;
  });
  ask();
})();
