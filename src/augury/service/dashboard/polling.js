// Asks again and again, one question at a time, while somebody looks.

const SLOWEST = 8000; // milliseconds between two questions to a service that is gone

export class Polling {
  #question;
  #every;
  #timer = null;
  #failures = 0;
  #asking = false;
  #stopped = true;

  /** @param question what asks; it throws if there was no answer @param every milliseconds */
  constructor(question, every) {
    this.#question = question;
    this.#every = every;
    document.addEventListener("visibilitychange", () => this.#now());
    addEventListener("online", () => this.#now());
  }

  get stopped() {
    return this.#stopped;
  }

  start() {
    this.#stopped = false;
    this.#now();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #now() {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#asking || document.hidden) return;
    this.#asking = true;
    try {
      await this.#question();
      this.#failures = 0;
    } catch {
      this.#failures++;
    }
    this.#asking = false;
    const wait = Math.min(SLOWEST, this.#every * 2 ** Math.min(this.#failures, 6));
    if (!this.#stopped && !document.hidden) this.#timer = setTimeout(() => this.#now(), wait);
  }
}
