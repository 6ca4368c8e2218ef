import { useEffect, useState } from "../vendor/standalone.module.js";
import { get, part } from "../api.js";
import { parted } from "../shared/sources.js";

/** What the library calls the source of a bench; empty where it comes from elsewhere. */
export function useItemTitle(source) {
  const [found, setFound] = useState({ source: "", title: "" });
  useEffect(() => {
    const [kind, id] = parted(source);
    if (kind !== "item") return undefined;
    let wanted = true;
    get(`/library/${part(id)}`).then(({ title }) => wanted && setFound({ source, title }), () => {}); // then the run's own title stands there
    return () => { wanted = false; };
  }, [source]);
  return found.source === source ? found.title : "";
}
