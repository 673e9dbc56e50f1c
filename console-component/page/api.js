// Calls the public HTTP APIs of the store and the warehouse, and nothing else.

/** Longer than a service waits for its Redis. */
const ANSWER_MS = 8000;
const TOKEN_KEY = 'api_token';

/** An answer with an error status, or no answer (`status` 0). */
class ApiError extends Error {
  constructor(status, problem, message) {
    super(message);
    this.status = status;
    /** The stable word for the kind of error. */
    this.slug = problem?.type ?? '';
  }
}

let askForToken = async () => null;

/** Sets the function that asks the person for the token. Its argument: was a token sent and refused? */
export function onTokenWanted(ask) { askForToken = ask; }

export const get = (path) => send('GET', path);

/** Sends a change; asks for the token and sends it again where the service wants one. */
export async function change(method, path, body, headers = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    try {
      return await send(method, path, body, token ? { ...headers, authorization: `Bearer ${token}` } : headers);
    } catch (error) {
      if (error.status !== 401) throw error;
      sessionStorage.removeItem(TOKEN_KEY);
      const given = await askForToken(token !== null);
      if (given === null) throw error;
      sessionStorage.setItem(TOKEN_KEY, given);
    }
  }
}

/** By form, the change that it last asked for and that is not known to be made: its body, and its key. */
const unfinished = new Map();

/**
 * A change that takes effect once, however often it is sent: it keeps its key until it has succeeded, or until its form
 * asks for something else. Without an answer nobody knows whether it was made.
 */
export async function changeOnce(method, path, body, form = path) {
  const text = JSON.stringify(body);
  let intent = unfinished.get(form);
  if (intent?.text !== text) {
    intent = { text, key: newKey() };
    unfinished.set(form, intent);
  }
  const answer = await change(method, path, body, { 'idempotency-key': intent.key });
  if (unfinished.get(form) === intent) unfinished.delete(form);
  return answer;
}

function newKey() {
  // Not crypto.randomUUID, which is missing over plain HTTP from another host.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

async function send(method, path, body, headers = {}) {
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
      cache: 'no-store',
      credentials: 'omit',
    });
    text = await response.text();
  } catch (error) {
    const isTimeout = error.name === 'TimeoutError';
    throw new ApiError(0, null, isTimeout ? `no answer within ${ANSWER_MS / 1000} s` : 'the app does not answer');
  }
  let answer = null;
  try {
    answer = text === '' ? null : JSON.parse(text);
  } catch {
    // Not from a service, but an empty or plain answer of the runtime.
  }
  if (!response.ok) {
    throw new ApiError(response.status, answer, answer?.detail ?? answer?.title ?? `the app answered ${response.status}`);
  }
  return answer;
}
