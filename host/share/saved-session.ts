import { choice, flag, list, type StateOf, struct, text, u32, u64, uint } from "../util/schema.js";
import { FIDS_MAX } from "./fids.js";
import { LOCKS_MAX } from "./locks.js";

const PATH_LENGTH_MAX = 1 << 16;
const CLIENT_LENGTH_MAX = 1 << 16;

const accessFields = {
  read: flag("opened for reading"),
  write: flag("opened for writing"),
  append: flag("every write goes to the end"),
  sync: flag("every write is stable when it is answered"),
};

const fidFields = {
  fid: u32("the client's number"),
  uid: u32("the user that it was attached for"),
  path: text("names from the root on, each after a slash, one character a byte", PATH_LENGTH_MAX),
  isGone: flag("what it stood for has lost its name"),
  opened: choice("as what", ["no", "file", "directory"]),
  access: struct("how a file", accessFields),
};
export type SavedFid = StateOf<typeof fidFields>;

const lockFields = {
  file: u64("identity of the file"),
  client: text("the client's name", CLIENT_LENGTH_MAX),
  process: u32("the client's process"),
  start: uint("first byte", Number.MAX_SAFE_INTEGER),
  length: uint("bytes; 0 for the rest of the file", Number.MAX_SAFE_INTEGER),
  exclusive: flag("for writing"),
};

const fields = {
  messageByteLength: u32("longest message agreed on; 0 before"),
  fids: list("what the client refers to", struct("a fid", fidFields), FIDS_MAX),
  locks: list("what the client has locked", struct("a lock", lockFields), LOCKS_MAX),
};

export type SavedSession = StateOf<typeof fields>;
/** What is kept of a session when its machine is saved. Listings being read are not: reading goes on by position. */
export const savedSession = struct("the 9P session", fields);
