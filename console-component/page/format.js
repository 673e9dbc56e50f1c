// Numbers, times and ids as a person reads them.

const number = new Intl.NumberFormat('en');

export const count = (value) => (value === null || value === undefined ? '?' : number.format(value));

/** `n things`, with the plural's s. */
export const plural = (value, thing) => `${count(value)} ${thing}${value === 1 ? '' : 's'}`;

/** Money from minor units, with as many decimals as the currency has. */
export function money(minor, currency) {
  try {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency });
    return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
  } catch {
    return `${number.format(minor)} minor units of ${currency}`;
  }
}

/** A time of day with milliseconds: events are milliseconds apart. */
export function clock(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return String(iso ?? '');
  return time.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
}

export function day(iso) {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? '' : time.toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
}

export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / 86_400_000)} d`;
}

/** The end of an id: its beginning is the time, which many orders share. */
export const shortId = (id) => String(id).slice(-4);

/** A word of the API without underscores. */
export const words = (slug) => String(slug ?? '').replaceAll('_', ' ');
