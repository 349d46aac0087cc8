// Questions to the service, with the token of this tab, if there is one.

const TOKEN = "augury-token";
const PATIENCE = 5000; // milliseconds
const ROOT = new URL("../", document.baseURI);

/** The service answered, and refused. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const token = {
  held: () => sessionStorage.getItem(TOKEN) !== null,
  hold: (text) => sessionStorage.setItem(TOKEN, text),
  drop: () => sessionStorage.removeItem(TOKEN),
};

/** Return what the service answers to GET, or throw a Refusal, or what `fetch` throws. */
export async function ask(path) {
  const held = sessionStorage.getItem(TOKEN);
  const answer = await fetch(new URL(path, ROOT), {
    headers: held === null ? {} : { Authorization: `Bearer ${held}` },
    signal: AbortSignal.timeout(PATIENCE),
    cache: "no-store",
  });
  if (answer.ok) return answer.json();
  const told = await answer.json().catch(() => ({}));
  const message = typeof told.error === "string" ? told.error : told.error?.message ?? told.detail;
  throw new Refusal(answer.status, typeof message === "string" ? message : `HTTP ${answer.status}`);
}
