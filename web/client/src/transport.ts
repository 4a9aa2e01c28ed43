/* What a way of carrying events tells the link. It has stopped itself when it says `failed`. */
import type { BeckError } from "./errors.js";
import type { ChatEvent } from "./types.js";

export interface TransportHost {
  hello(from: object, event: ChatEvent): void;
  event(from: object, event: ChatEvent): void;
  /** An error of kind `api` is the server's refusal. */
  failed(from: object, error: BeckError): void;
}
