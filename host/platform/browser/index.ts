/** What a machine in a browser tab takes from its platform. */
export { FetchOutside } from "./network/fetch-outside.js";
export { RelayLink } from "./network/relay-link.js";
