/** What a machine embedded in a Node program takes from its platform. */
export { loadCoreModule } from "./core-module.js";
export { openDisk } from "./drives.js";
export { FileStore } from "./file-store.js";
export { NodeHostServices } from "./host-services.js";
export { openImage } from "./images/open-image.js";
export { NodeOutside } from "./network/outside.js";
export { PortForwards } from "./network/port-forwards.js";
export { Relay, type RelayOptions } from "./network/relay.js";
export { SocketLink } from "./network/socket-link.js";
export { WebSocketLink } from "./network/websocket-link.js";
export { HostFolder } from "./share/host-folder.js";
