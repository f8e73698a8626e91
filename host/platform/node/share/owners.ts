const ROOT = 0;
/** "nobody" and "nogroup" of Debian. */
const NOBODY = 65_534;

/** How the host's owners look to a guest, and what becomes of the owners a guest sets. */
export interface Owners {
  /** The guest's number for an owner of the host. */
  guestUid(uid: number): number;
  guestGid(gid: number): number;
  /** Whether files can be given away: what a guest sets is the file's owner on the host. */
  readonly canGive: boolean;
}

/**
 * The owners for this process. Root shows owners as they are and gives files away as guests ask for. Anybody else can do
 * neither: then what is the operator's looks like the guest's root's, what is the host's root's like nobody's, and a
 * change of the owner is accepted and forgotten, as with QEMU's security model "none".
 */
export function ownersFor(uid: number, gid: number): Owners {
  if (uid === ROOT) return { guestUid: (id) => id, guestGid: (id) => id, canGive: true };
  return {
    guestUid: (id) => swap(id, uid),
    guestGid: (id) => swap(id, gid),
    canGive: false,
  };
}

function swap(id: number, own: number): number {
  if (id === own) return ROOT;
  return id === ROOT ? NOBODY : id;
}
