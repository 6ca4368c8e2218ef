import { Bench } from "../../service/static/bench/bench.js";
import { SETTINGS } from "../../service/static/route.js";
import { show } from "../../service/static/shell.js";
import { embedded } from "./embedded.js";

// The bench as a page by itself.

SETTINGS.language = embedded.language;
show({ bench: async () => Bench });
