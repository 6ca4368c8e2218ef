import { show } from "./shell.js";

// The page of the service: its tabs, each loaded when it is first shown.

show({
  bench: () => import("./bench/bench.js").then((module) => module.Bench),
  compare: () => import("./compare.js").then((module) => module.Compare),
  sequences: () => import("./sequences/sequences.js").then((module) => module.Sequences),
  library: () => import("./library.js").then((module) => module.Library),
});
