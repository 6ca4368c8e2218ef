// Requests to /api/v1. What takes longer than a second comes as a job and is followed to its end; a busy server is
// asked again; anything else that is not well becomes an ApiError with the message that the command line gives.

const BASE = "/api/v1";
const STUBBORN = 120_000; // milliseconds in which a busy server is asked again
const NAME = Math.random().toString(36).slice(2); // by which the server tells pages of one address apart: they take turns
const FIRST_POLL = 120, LAST_POLL = 1000; // milliseconds between two looks at a job

/** What the server refused, as its problem document says it; status 0 where no answer came at all. */
export class ApiError extends Error {
  constructor({ status = 0, type = "", title = "", detail = "", problems = [] }) {
    super(detail || title);
    Object.assign(this, { status, type, title, detail, problems });
  }
}

/** Told (with true or false) whenever the server stops or starts to answer. */
export const presence = new EventTarget();
let answering = true;
function seen(now) {
  if (now === answering) return;
  answering = now;
  presence.dispatchEvent(new CustomEvent("change", { detail: now }));
}

const pause = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const given_up = () => { clearTimeout(timer); reject(signal.reason); };
    const timer = setTimeout(() => { signal?.removeEventListener("abort", given_up); resolve(); }, milliseconds);
    signal?.addEventListener("abort", given_up, { once: true });
  });

/** The address of a resource; values that are undefined, null or empty are left out, lists are repeated. */
export function href(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, one);
    }
  }
  return `${BASE}${path}${query.size ? `?${query}` : ""}`;
}

/** A part of a path: an address keeps its slashes. */
export const part = (text) => encodeURIComponent(text).replaceAll("%2F", "/");

async function read(reply) {
  if (reply.status === 204) return null;
  const type = reply.headers.get("content-type") ?? "";
  if (reply.ok) return type.includes("json") ? reply.json() : reply.text();
  let said = { title: reply.statusText };
  if (type.includes("json")) said = await reply.json().catch(() => said);
  throw new ApiError({ ...said, status: reply.status });
}

async function asked(method, url, { signal, ...rest }) {
  for (const end = performance.now() + STUBBORN; ;) {
    let reply;
    try {
      reply = await fetch(url, { method, signal, headers: { accept: "application/json", "x-client": NAME, ...rest.headers }, body: rest.body });
    } catch (error) {
      if (signal?.aborted) throw error;
      seen(false);
      throw new ApiError({ title: "The server does not answer." });
    }
    seen(true);
    if (reply.status !== 429 || performance.now() > end) return reply;
    await pause(1000 * (Number(reply.headers.get("retry-after")) || 1) * (0.7 + 0.6 * Math.random()), signal);
  }
}

/** Looks at a job until it is done; its result. A signal that is aborted cancels it on the server. */
async function followed(job, { signal, onProgress }) {
  const url = job.href ?? `${BASE}/jobs/${part(job.id)}`;
  try {
    for (let wait = FIRST_POLL; ; wait = Math.min(wait * 1.5, LAST_POLL)) {
      await pause(wait, signal);
      const now = await read(await asked("GET", url, { signal }));
      onProgress?.(now.progress ?? null, now.seconds);
      if (now.state === "done") return now.result;
      if (now.state === "failed" || now.state === "cancelled") throw new ApiError({ status: 422, title: now.state, ...now.problem });
    }
  } catch (error) {
    if (signal?.aborted) fetch(url, { method: "DELETE", keepalive: true }).catch(() => {});
    throw error;
  }
}

async function request(method, url, { signal, onProgress, ...rest } = {}) {
  const reply = await asked(method, url, { signal, ...rest });
  const body = await read(reply);
  return reply.status === 202 ? followed(body, { signal, onProgress }) : body;
}

const json = (body) => ({ body: JSON.stringify(body), headers: { "content-type": "application/json" } });

/**
 * @typedef {{signal?: AbortSignal, onProgress?: (part: number | null, seconds?: number) => void}} Options
 */
/** @param {string} path below /api/v1 @param {object} [params] @param {Options} [options] */
export const get = (path, params, options) => request("GET", href(path, params), options);
/** @param {string} path @param {object} body @param {Options} [options] */
export const post = (path, body, options) => request("POST", href(path), { ...options, ...json(body) });
/** @param {string} path @param {object} body @param {Options} [options] */
export const patch = (path, body, options) => request("PATCH", href(path), { ...options, ...json(body) });
/** @param {string} path @param {Options} [options] */
export const remove = (path, options) => request("DELETE", href(path), options);
/** A file's bytes. @param {string} path @param {object} params @param {Blob} blob @param {Options} [options] */
export const send = (path, params, blob, options) =>
  request("POST", href(path, params), { ...options, body: blob, headers: { "content-type": "application/octet-stream" } });

/** A file to keep, with the name that the server gives it. @param {string} url @param {Options} [options] */
export async function file(url, { signal, onProgress } = {}) {
  const reply = await asked("GET", url, { signal, headers: { accept: "*/*", prefer: "respond-async" } });
  if (!reply.ok) return read(reply);
  if (reply.status === 202) {
    const result = await followed(await reply.json(), { signal, onProgress });
    return file(result.href, { signal });
  }
  const said = reply.headers.get("content-disposition") ?? "";
  const [, coded] = /filename\*=UTF-8''([^;]+)/i.exec(said) ?? [];
  const [, plain] = /filename="?([^";]+)"?/i.exec(said) ?? [];
  return { blob: await reply.blob(), label: coded ? decodeURIComponent(coded) : plain ?? "" };
}
