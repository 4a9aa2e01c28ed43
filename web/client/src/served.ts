/* The same, as the server serves it: the default address is the server's own, path prefix included. */
import { served } from "./options.js";

const at = new URL(import.meta.url);
if (/^https?:$/.test(at.protocol)) served.baseURL = at.origin + at.pathname.replace(/\/beck\/client\/[^/]*$/, "");

export * from "./index.js";
