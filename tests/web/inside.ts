/* What tests look at that the package does not show. */
export * from "../../web/client/src/text.js";
export * from "../../web/client/src/errors.js";
export * from "../../web/client/src/events.js";
export * from "../../web/client/src/state.js";
export * from "../../web/client/src/list.js";
export * from "../../web/client/src/channel.js";
export * from "../../web/client/src/outbox.js";
export * from "../../web/client/src/token.js";
export * from "../../web/client/src/timers.js";
export * from "../../web/client/src/options.js";
export { LIMIT } from "../../web/client/src/schema.js";
export { BeckChat as Client } from "../../web/client/src/client.js";
