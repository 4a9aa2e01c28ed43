/* The chat as an element for pages of others: what /beck/client/beck-chat-elements.js holds, the client included. */
export * from "beck-chat";
export { BeckChatElement } from "./components/chat.js";
