// The public HTTP APIs of the store and the warehouse. Nothing else is ever called.

/** How long an answer may take: longer than a service waits for its Redis. */
const ANSWER_MS = 8000;
const TOKEN_KEY = 'api_token';

/** An answer that is an error, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(status, problem, message) {
    super(message);
    this.status = status;
    this.problem = problem;
  }

  /** The stable word for the kind of error. */
  get slug() { return this.problem?.type ?? ''; }
}

let askForToken = async () => null;

/** What asks the person for the token; gets whether one was sent and refused. */
export function onTokenWanted(ask) { askForToken = ask; }

export const get = (path) => send('GET', path);

/** A request that changes something. Where the service wants a token, the person is asked, and it is sent again. */
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

/** A key under which a repeated request has its effect once. */
export function idempotencyKey() {
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
    const slow = error.name === 'TimeoutError';
    throw new ApiError(0, null, slow ? `no answer within ${ANSWER_MS / 1000} s` : 'the app does not answer');
  }
  let answer = null;
  try {
    answer = text === '' ? null : JSON.parse(text);
  } catch {
    // Not the service's own: a runtime's empty or plain answer.
  }
  if (!response.ok) {
    const said = answer?.detail ?? answer?.title ?? `the app answered ${response.status}`;
    throw new ApiError(response.status, answer, said);
  }
  return answer;
}
