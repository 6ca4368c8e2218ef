import { useEffect, useRef, useState } from "../vendor/standalone.module.js";

/**
 * What an asynchronous function gives, fetched again whenever `key` changes. The last value stays until the next one
 * is there, so that nothing jumps; a request that is no longer wanted is aborted.
 * @param {string | null} key says what is asked for; null: nothing
 * @param {(signal: AbortSignal) => Promise<any>} load
 * @returns {{value: any, error: Error | null, loading: boolean}} value is that of an older key while loading
 */
export function useLoaded(key, load) {
  const [state, setState] = useState({ key: null, value: null, error: null });
  const newest = useRef(load);
  newest.current = load;
  useEffect(() => {
    if (key === null) {
      setState({ key: null, value: null, error: null });
      return undefined;
    }
    const stop = new AbortController();
    newest.current(stop.signal).then(
      (value) => stop.signal.aborted || setState({ key, value, error: null }),
      (error) => stop.signal.aborted || setState({ key, value: null, error }),
    );
    return () => stop.abort();
  }, [key]);
  const current = state.key === key;
  return { value: key === null ? null : state.value, error: current ? state.error : null, loading: !current };
}

/** The value of a text field once nobody has typed for a moment. */
export function useSettled(value, milliseconds = 180) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}
