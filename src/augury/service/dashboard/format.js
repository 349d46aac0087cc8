// Figures as people read them. What is not known is a dash.

const UNKNOWN = "–";
const LOCALE = "en-US";

const known = (format) => (value, ...how) =>
  value === null || value === undefined || !Number.isFinite(value) ? UNKNOWN : format(value, ...how);

export const count = known((value) => value.toLocaleString(LOCALE, { maximumFractionDigits: 0 }));

export const compact = known((value) =>
  value.toLocaleString(LOCALE, { notation: "compact", maximumFractionDigits: 1 }),
);

export const percent = known((value) => `${(100 * value).toFixed(1)}%`);

/** A number with its sign, whichever it is. */
export const signed = known((value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`);

export const decimal = known((value, digits = 2) => value.toFixed(digits));

export const milliseconds = known((value) => {
  const ms = 1000 * value;
  return `${ms.toLocaleString(LOCALE, { maximumFractionDigits: Math.abs(ms) < 10 ? 2 : 0 })} ms`;
});

/** A length of time in the unit that suits it. */
export const duration = known((value) => {
  const size = Math.abs(value);
  if (size > 0 && size < 1e-6) return `${(1e9 * value).toFixed(0)} ns`;
  if (size < 1e-3) return `${(1e6 * value).toFixed(0)} µs`;
  if (size < 1) return `${(1e3 * value).toFixed(size < 0.01 ? 1 : 0)} ms`;
  if (size < 120) return `${value.toFixed(1)} s`;
  if (size < 7200) return `${(value / 60).toFixed(0)} min`;
  return size < 172_800 ? `${(value / 3600).toFixed(1)} h` : `${(value / 86_400).toFixed(1)} days`;
});

export const bytes = known((value) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${value.toFixed(at ? 1 : 0)} ${units[at]}`;
});

/** The time of day of a moment, in seconds since 1970. */
export const clock = known((at) => new Date(1000 * at).toLocaleTimeString("en-GB"));

/** The same with its day, if that is not today. */
export const moment = known((at) => {
  const day = new Date(1000 * at);
  const today = day.toDateString() === new Date().toDateString();
  return today ? clock(at) : `${day.toISOString().slice(0, 10)} ${clock(at)}`;
});
