// What is looked at, in the part of the address after "#": it can be kept and passed on.

const read = () => new URLSearchParams(location.hash.slice(1));

export const place = {
  get: (name) => read().get(name),

  /** Change one part, and add no step to the history of the browser. */
  set(name, value) {
    const parts = read();
    parts.set(name, value);
    history.replaceState(null, "", `#${parts}`);
  },
};
