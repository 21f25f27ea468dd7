// Small things that make pages nicer and are not needed for anything: the
// service worker, sheets as modal dialogs, steppers.
(() => {
  "use strict";

  if ("serviceWorker" in navigator) {
    addEventListener("load", () => navigator.serviceWorker.register("/sw.js").catch(() => {}));
  }

  // Sheets: the link's target opens as a modal dialog (focus inside, Escape,
  // the page behind inert). Without this file the :target rule opens it.
  addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a[href^='#']");
    if (!link || event.defaultPrevented) return;
    const open = link.closest("dialog[open]");
    if (link.hash === "#_" || link.getAttribute("href") === "#_") {
      if (open) {
        event.preventDefault();
        open.close();
      }
      return;
    }
    const sheet = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (sheet instanceof HTMLDialogElement && !sheet.open) {
      event.preventDefault();
      sheet.showModal();
    }
  });

  // Steppers: − n + around a number input.
  const limits = (box) => {
    const input = box.querySelector("input");
    const value = Number(input.value);
    for (const button of box.querySelectorAll("button[data-step]")) {
      button.hidden = false;
      const next = value + Number(button.dataset.step);
      button.disabled = next < Number(input.min || 0) || next > Number(input.max || 99);
    }
  };
  const steppers = (root) => root.querySelectorAll("[data-stepper]").forEach(limits);
  addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-stepper] button[data-step]");
    if (!button) return;
    const box = button.closest("[data-stepper]");
    const input = box.querySelector("input");
    const next = Number(input.value) + Number(button.dataset.step);
    if (next < Number(input.min || 0) || next > Number(input.max || 99)) return;
    input.value = String(next);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
    limits(box);
  });
  addEventListener("input", (event) => {
    const box = event.target.closest && event.target.closest("[data-stepper]");
    if (box) limits(box);
  });
  // An island may change what can be had: it says so by this event.
  document.addEventListener("zaijia:stock", () => steppers(document));

  // A menu with data-submit sends its form when it changes; its button is for
  // pages without this file.
  addEventListener("change", (event) => {
    const control = event.target.closest && event.target.closest("[data-submit]");
    if (control && control.form) control.form.requestSubmit();
  });

  const ready = () => {
    steppers(document);
    document.querySelectorAll("[data-submit]").forEach((control) => {
      const button = control.form && control.form.querySelector("[data-submit-button]");
      if (button) button.hidden = true;
    });
    // An error of the form just sent is read out and seen.
    const flash = document.getElementById("flash");
    if (flash) flash.focus();
    // A page that was sent back to with the error in the URL forgets it there.
    if (location.search.includes("__err=")) {
      const url = new URL(location.href);
      url.searchParams.delete("__err");
      url.searchParams.delete("__path");
      history.replaceState(history.state, "", url);
    }
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", ready);
  else ready();
})();
