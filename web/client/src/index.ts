/* The public face of the browser client. */
export { BeckChat } from "./client.js";
export { Channel, type WatchOptions } from "./channel.js";
export { ChannelList } from "./list.js";
export { BeckError, type ErrorKind } from "./errors.js";
export { devToken } from "./token.js";
export type { CallOptions } from "./calls.js";
export type { ChannelState, Typist } from "./state.js";
export type * from "./types.js";
